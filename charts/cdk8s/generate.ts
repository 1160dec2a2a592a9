/** Synthesises what the chart and the operator take from cdk8s. `npm run generate` writes it. */
import { App, type Chart, Yaml } from 'cdk8s'
import { AgentChart } from './agent.ts'
import { PolicyChart } from './policies.ts'
import { AccessChart } from './rbac.ts'

/** Generated files by their paths from the root of the repository. */
export function generateCharts(): Readonly<Record<string, string>> {
  const app = new App()
  const [daemonSet] = new AgentChart(app, 'agent').toJson() as [object]
  return {
    'charts/agent-daemonset.gen.json': `${JSON.stringify(daemonSet, undefined, 2)}\n`,
    'charts/drydock/templates/access.yaml': template(new AccessChart(app, 'access')),
    'charts/drydock/templates/policies.yaml': template(new PolicyChart(app, 'policies')),
  }
}

function template(chart: Chart): string {
  return `# Generated from charts/cdk8s by \`npm run generate\`. Do not edit.\n${Yaml.stringify(...chart.toJson())}`
}
