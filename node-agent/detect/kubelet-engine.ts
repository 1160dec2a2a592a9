/** Which engine a kubelet uses, told by its CRI endpoint. */
import type { Found, Observed, Refusal, SourceEngine } from '../engines/engine.ts'
import { sourceByName } from '../engines/index.ts'
import type { Host } from '../host/host.ts'
import { kubeletUnit } from '../kubelet/detect.ts'
import type { KubeletFound } from '../kubelet/kubelet.ts'

export interface EngineSeen {
  readonly observed: NonNullable<Observed['engine']>
  readonly engine?: { readonly engine: SourceEngine; readonly found: Found }
  /** There is no engine at the endpoint, and there could be one. */
  readonly isVacant?: true
  /** Why the engine cannot be changed. */
  readonly refusal?: Refusal
}

/** Engines are recognised by the end of their socket's path. cri-dockerd speaks for Docker. */
const sockets = [
  { end: '/containerd.sock', name: 'containerd' },
  { end: '/crio.sock', name: 'cri-o' },
  { end: '/cri-dockerd.sock', name: 'docker' },
  { end: '/dockershim.sock', name: 'docker' },
] as const

export async function kubeletEngine(host: Host, kubelet: KubeletFound): Promise<EngineSeen> {
  const socket = await socketPath(host, kubelet.endpoint)
  const engine = sourceByName(sockets.find(({ end }) => socket.endsWith(end))?.name)
  if (!engine) {
    return unknown(kubelet, `the kubelet's CRI endpoint ${kubelet.endpoint} belongs to no engine that Drydock knows`)
  }
  const unit = engine.units.at(-1)
  const found = await engine.detect(host)
  if (!found) {
    return { ...unknown(kubelet, `the kubelet uses ${kubelet.endpoint}, but there is no unit ${unit}`), isVacant: true }
  }
  const observed = { ...found.observed.engine, name: engine.name, socket: kubelet.endpoint }
  const own = found.observed.engine?.socket
  if (own !== undefined && (await socketPath(host, own)) !== socket) {
    return { observed, refusal: notOurs(`the kubelet uses ${kubelet.endpoint}, but ${unit} listens at ${own}`) }
  }
  return { observed, engine: { engine, found }, ...(found.refusal ? { refusal: found.refusal } : {}) }
}

/** /var/run leads to /run on most hosts, and an old socket's name may lead to the new socket. */
async function socketPath(host: Host, endpoint: string): Promise<string> {
  const path = endpoint.replace(/^unix:(\/\/)?/, '')
  return (await host.realPath(path)) ?? path.replace(/^\/var\/run\//, '/run/')
}

function unknown(kubelet: KubeletFound, what: string): EngineSeen {
  return { observed: { name: 'none', socket: kubelet.endpoint }, refusal: notOurs(what) }
}

function notOurs(what: string): Refusal {
  return {
    reason: 'EngineUnknown',
    message: `${what}: correct the endpoint of ${kubeletUnit}, or exclude this node from the profile`,
  }
}
