import type { Container, Look, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { workloads } from './workload.ts'

type Client = Pick<Finding, 'severity' | 'what' | 'advice'>

export const dockerClients = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes, find).map(({ subject, found, where }) => ({ ...found, subject, what: `${found.what} (${where})` }))

const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
]

const find = (pod: Pod): Client | undefined => {
  for (const container of containersOf(pod)) {
    const client = dialsHost(container) ?? runsImage(container)
    if (client) return client
  }
  return undefined
}

const dialsHost = ({ name, env = [] }: Container): Client | undefined => {
  const host = env.find((variable) => variable.name === 'DOCKER_HOST')?.value
  if (!host?.startsWith('unix://')) return undefined
  return {
    severity: 'Warning',
    what: `container ${name} has DOCKER_HOST=${host}`,
    advice: 'build with a tool that needs no Docker of the host, such as buildkit or buildah',
  }
}

/** The official image and its copies under other registries: `docker:27-dind`, `mirror.example/library/docker:cli`. */
const official = /(^|\/)docker(:[^/@]+)?(@.+)?$/

const runsImage = ({ name, image = '', securityContext }: Container): Client | undefined => {
  if (!official.test(image)) return undefined
  const isDaemon = image.includes('dind')
  const privileged = securityContext?.privileged ? 'privileged ' : ''
  return {
    severity: isDaemon ? 'Note' : 'Warning',
    what: `${privileged}container ${name} runs ${image}, ${isDaemon ? 'a Docker of its own' : 'a client of Docker'}`,
    advice: isDaemon
      ? 'try it on one changed node: it shares the kernel’s cgroups with the engine'
      : 'see which Docker it talks to: that of the host goes with the engine',
  }
}
