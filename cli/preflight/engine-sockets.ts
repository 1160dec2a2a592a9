import type { Look, LookNode, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { hostPaths, runsDocker, workloads } from './workload.ts'

interface Mount {
  readonly what: string
  readonly advice: string
  readonly severity: Finding['severity']
}

export const engineSockets = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes, find).map(({ subject, found, where }) => ({
    severity: found.severity,
    subject,
    what: `${found.what} (${where})`,
    advice: found.advice,
  }))

/** Drydock's own agent is at home on the host. */
const isOwn = ({ metadata }: Pod): boolean => metadata.labels?.['app.kubernetes.io/name'] === 'drydock'

const find = (pod: Pod, node: LookNode): Mount | undefined => {
  if (isOwn(pod)) return undefined
  const mounts = hostPaths(pod).flatMap((path) => classify(path, node) ?? [])
  return mounts.find(({ severity }) => severity === 'Warning') ?? mounts[0]
}

const parents = ['/', '/run']
const engines: readonly (readonly [engine: string, socket: RegExp])[] = [
  ['containerd', /^\/run\/(k3s\/)?containerd(\/|$)/],
  ['cri-o', /^\/run\/crio(\/|$)/],
  ['docker', /^\/run\/cri-dockerd\.sock$/],
]

const classify = (path: string, node: LookNode): Mount | undefined => {
  if (path === '/run/docker.sock' || path === '/run/docker') return docker(node)
  const [engine] = engines.find(([, socket]) => socket.test(path)) ?? []
  if (engine !== undefined) {
    return node.move && engine === node.engine
      ? { severity: 'Warning', what: `talks to ${engine} through ${path}`, advice: leaving(node) }
      : { severity: 'Note', what: `mounts ${path}`, advice: 'see that it connects again after the engine’s restart' }
  }
  if (!parents.includes(path)) return undefined
  const advice = 'see whether it uses an engine’s socket in there'
  return { severity: 'Note', what: `mounts ${path} of the host, which holds the engines’ sockets`, advice }
}

const docker = (node: LookNode): Mount =>
  runsDocker(node)
    ? { severity: 'Warning', what: 'talks to Docker through its socket', advice: leaving(node) }
    : {
        severity: 'Warning',
        what: `mounts Docker’s socket, and the kubelet runs ${node.view.runtimeVersion ?? 'another engine'}`,
        advice: 'see whether it needs a Docker beside the engine: Drydock knows nothing of one',
      }

/** A former engine that goes on serves those who talk to it, and knows nothing of the pods any more. */
const leaving = ({ engine, move }: LookNode): string => {
  const to = move?.to === undefined ? 'the CRI socket' : `the socket of ${move.to}`
  if (move?.migration.previousEngine !== 'keep') {
    return `move it to ${to} first, or write migration.previousEngine: keep`
  }
  return `${engine} goes on beside ${move.to ?? 'the new engine'}, without the containers of pods: move it to ${to} if it looks at those`
}
