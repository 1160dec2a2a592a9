/** Which engine a kubelet uses, told by its CRI endpoint. */
import type { Engine, Found, Observed, Refusal } from '../engines/engine.ts'
import { engineByName } from '../engines/index.ts'
import type { Host } from '../host/host.ts'
import { kubeletUnit } from '../kubelet/detect.ts'
import type { KubeletFound } from '../kubelet/kubelet.ts'

export interface EngineSeen {
  readonly observed: NonNullable<Observed['engine']>
  readonly engine?: { readonly engine: Engine; readonly found: Found }
  /** Why the engine cannot be changed. */
  readonly refusal?: Refusal
}

/** Engines that are recognised by the end of their socket's path. cri-dockerd speaks for Docker. */
const sockets = [
  { end: '/containerd.sock', name: 'containerd', unit: 'containerd.service' },
  { end: '/crio.sock', name: 'cri-o', unit: 'crio.service' },
  { end: '/cri-dockerd.sock', name: 'docker', unit: 'docker.service' },
  { end: '/dockershim.sock', name: 'docker', unit: 'docker.service' },
] as const

const timeoutMs = 20_000

export async function kubeletEngine(host: Host, kubelet: KubeletFound): Promise<EngineSeen> {
  const socket = await socketPath(host, kubelet.endpoint)
  const known = sockets.find(({ end }) => socket.endsWith(end))
  if (!known)
    return unknown(kubelet, `the kubelet's CRI endpoint ${kubelet.endpoint} belongs to no engine that Drydock knows`)
  const engine = engineByName(known.name)
  if (!engine) return other(host, kubelet, known)
  const found = await engine.detect(host)
  if (!found)
    return unknown(kubelet, `the kubelet uses ${kubelet.endpoint}, but there is no unit ${engine.units.at(-1)}`)
  const observed = { ...found.observed.engine, name: engine.name, socket: kubelet.endpoint }
  const own = found.observed.engine?.socket
  if (own !== undefined && (await socketPath(host, own)) !== socket) {
    return {
      observed,
      refusal: notOurs(`the kubelet uses ${kubelet.endpoint}, but ${engine.units.at(-1)} listens at ${own}`),
    }
  }
  return { observed, engine: { engine, found }, ...(found.refusal ? { refusal: found.refusal } : {}) }
}

/** /var/run leads to /run on most hosts, and an old socket's name may lead to the new socket. */
async function socketPath(host: Host, endpoint: string): Promise<string> {
  const path = endpoint.replace(/^unix:(\/\/)?/, '')
  return (await host.realPath(path)) ?? path.replace(/^\/var\/run\//, '/run/')
}

async function other(host: Host, kubelet: KubeletFound, { name, unit }: (typeof sockets)[number]): Promise<EngineSeen> {
  const { execStart, loadState } = await host.unit(unit)
  const known = loadState === 'loaded' && execStart !== ''
  const version = known ? await versionOf(host, execStart) : undefined
  const refusal = {
    reason: 'EngineNotSupported',
    message: `the kubelet of this node uses ${name} at ${kubelet.endpoint}; this version of Drydock changes containerd only`,
  }
  return {
    observed: {
      name,
      socket: kubelet.endpoint,
      ...(known ? { binary: execStart } : {}),
      ...(version ? { version } : {}),
    },
    refusal,
  }
}

async function versionOf(host: Host, program: string): Promise<string | undefined> {
  const ran = await host.run([program, '--version'], { timeoutMs }).catch(() => undefined)
  return /version:?\s+v?([0-9][^\s,]*)/i.exec(ran?.stdout ?? '')?.[1]
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
