/** Names that the chart, the operator and the agent's pods share. One Drydock a cluster: they need no prefix of a release. */
export const operatorName = 'drydock-operator'
export const agentName = 'drydock-agent'

export const selectorOf = (component: 'operator' | 'agent') => ({
  'app.kubernetes.io/name': 'drydock',
  'app.kubernetes.io/component': component,
})
