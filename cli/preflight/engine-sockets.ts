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
const engines = /^\/run\/(containerd|crio|k3s\/containerd|cri-dockerd\.sock)(\/|$)/

const classify = (path: string, node: LookNode): Mount | undefined => {
  if (path === '/run/docker.sock' || path === '/run/docker') {
    return runsDocker(node)
      ? { severity: 'Warning', what: 'talks to Docker through its socket', advice: 'move it to the CRI socket first' }
      : {
          severity: 'Warning',
          what: `mounts Docker’s socket, and the kubelet runs ${node.view.runtimeVersion ?? 'another engine'}`,
          advice: 'see whether it needs a Docker beside the engine: Drydock knows nothing of one',
        }
  }
  if (engines.test(path)) {
    return { severity: 'Note', what: `mounts ${path}`, advice: 'see that it connects again after the engine’s restart' }
  }
  if (!parents.includes(path)) return undefined
  const advice = 'see whether it uses an engine’s socket in there'
  return { severity: 'Note', what: `mounts ${path} of the host, which holds the engines’ sockets`, advice }
}
