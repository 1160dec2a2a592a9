/** A node that goes to another engine and back, by Drydock and by a script. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { Bed as NodeBed, profileOf } from '../nodes/migration/bed.ts'
import { apply } from '../support/install.ts'
import { programFolder } from '../support/on-node.ts'
import type { Bed } from './bed.ts'
import { seenDown } from './kubelet-down.ts'
import type { BareChange, BareFile } from './on-node/bare-switch.ts'

interface Engine {
  /** In the order of starting. */
  readonly units: readonly string[]
  readonly socket: string
  /** The command line that saves an image in a file. */
  exporting(image: string, file: string): readonly string[]
  /** `programs`: the folder of the programs that an archive brought. */
  importing(image: string, file: string, programs: string): readonly string[]
}

const skopeo = ['skopeo', '--insecure-policy', 'copy', '--quiet']
const ctr = ['--namespace', 'k8s.io', 'images']

const engines = {
  containerd: {
    units: ['containerd.service'],
    socket: '/run/containerd/containerd.sock',
    exporting: (image, file) => ['ctr', ...ctr, 'export', file, image],
    importing: (_, file, programs) => [`${programs}/bin/ctr`, ...ctr, 'import', file],
  },
  'cri-o': {
    units: ['crio.service'],
    socket: '/var/run/crio/crio.sock',
    exporting: (image, file) => [...skopeo, `containers-storage:${image}`, `docker-archive:${file}:${image}`],
    importing: (image, file) => [...skopeo, `docker-archive:${file}:${image}`, `containers-storage:${image}`],
  },
  docker: {
    units: ['containerd.service', 'docker.socket', 'docker.service', 'cri-docker.socket', 'cri-docker.service'],
    socket: '/run/cri-dockerd.sock',
    exporting: (image, file) => ['docker', 'save', '--output', file, image],
    importing: (_, file) => ['docker', 'load', '--quiet', '--input', file],
  },
} as const satisfies Record<string, Engine>

export type EngineName = keyof typeof engines

export interface Journey {
  readonly from: EngineName
  readonly to: EngineName
  readonly spec: (bed: NodeBed) => Promise<Partial<RuntimeProfileSpec>>
}

interface Pod {
  readonly metadata: { readonly deletionTimestamp?: string }
  readonly spec: { readonly containers: readonly { readonly image: string }[] }
  readonly status: {
    readonly containerStatuses?: readonly { readonly ready: boolean; readonly containerID?: string }[]
  }
}

const programs = '/opt/drydock/engines'
const kept = `${programFolder}/engines`
const archives = '/var/tmp/bare-switch'
const settleMs = 180_000

/** The containers of a pod that is there to stay; something that no engine has as long as it is not ready. */
function containersOf({ metadata, status }: Pod): readonly string[] {
  const statuses = status.containerStatuses ?? []
  const isReady = statuses.length > 0 && statuses.every(({ ready }) => ready) && !metadata.deletionTimestamp
  return isReady ? statuses.map(({ containerID = '' }) => containerID.replace(/^.*\//, '')) : ['not ready']
}

export class MovingNode {
  readonly #bed: Bed
  readonly #nodes: NodeBed
  readonly #node: string
  readonly #journey: Journey
  readonly #profile: string
  /** What the files of the change are at either end. */
  readonly #files = new Map<'there' | 'back', readonly BareFile[]>()

  constructor(bed: Bed, node: string, journey: Journey) {
    this.#bed = bed
    this.#nodes = new NodeBed(bed.cluster)
    this.#node = node
    this.#journey = journey
    this.#profile = `bench-${node}`
  }

  /** All four resolve with the milliseconds without a kubelet. They follow each other in this order. */
  async thereByDrydock(): Promise<number> {
    const spec = { verify: { timeout: '120s' }, ...(await this.#journey.spec(this.#nodes)) }
    await this.#settled('from')
    const ms = await seenDown(this.#bed, this.#node, async () => {
      await apply(this.#bed.cluster, profileOf(this.#profile, [this.#node], spec))
      await this.#nodes.ready(this.#profile, '300s')
    })
    this.#files.set('there', this.#read(await this.#paths()))
    // They go when the profile goes, and the script needs them.
    await this.#sh(`rm -rf ${kept}; mkdir -p ${kept}; cp -al ${programs}/. ${kept}/`)
    return ms
  }

  async backByDrydock(): Promise<number> {
    await this.#settled('to')
    const ms = await seenDown(this.#bed, this.#node, () => this.#nodes.leave(this.#profile))
    this.#files.set('back', this.#read((this.#files.get('there') ?? []).map(({ path }) => path)))
    return ms
  }

  async thereByScript(): Promise<number> {
    await this.#settled('from')
    await this.#sh(
      `mkdir -p ${programs}; cd ${kept}; for d in *; do test -e ${programs}/$d || cp -al $d ${programs}/; done`,
    )
    const { from, to } = this.#journey
    return this.#byScript({ ...this.#change(from, to, 'there'), ...(from !== to && (await this.#images())) })
  }

  /** Pods of the newer engine are removed on the way back of an upgrade, too, as Drydock does. */
  async backByScript(): Promise<number> {
    await this.#settled('to')
    const { from, to } = this.#journey
    return this.#byScript({ ...this.#change(to, from, 'back'), removeThrough: engines[to].socket })
  }

  #change(from: EngineName, to: EngineName, way: 'there' | 'back'): BareChange {
    const left: readonly string[] = engines[from].units
    const right: readonly string[] = engines[to].units
    return {
      ...(from !== to && { removeThrough: engines[from].socket }),
      stop: left.toReversed(),
      disable: left.filter((unit) => !right.includes(unit)),
      enable: right.filter((unit) => !left.includes(unit)),
      start: right,
      files: this.#files.get(way) ?? [],
      waitFor: engines[to].socket,
      exporting: [],
      importing: [],
    }
  }

  async #images(): Promise<Pick<BareChange, 'exporting' | 'importing'>> {
    const { from, to } = this.#journey
    const pods = await this.#pods()
    const names = [...new Set(pods.flatMap(({ spec }) => spec.containers.map(({ image }) => image)))]
    const files = names.map((_, index) => `${archives}/${index}.tar`)
    const folder = (await this.#sh(`ls -d ${programs}/${to}-* | head -n 1`)).trim()
    await this.#sh(`rm -rf ${archives}; mkdir ${archives}`)
    return {
      exporting: names.map((name, index) => engines[from].exporting(name, files[index]!)),
      importing: names.map((name, index) => engines[to].importing(name, files[index]!, folder)),
    }
  }

  async #byScript(change: BareChange): Promise<number> {
    const command = await this.#bed.install(this.#node, 'bare-switch')
    return seenDown(this.#bed, this.#node, () => this.#bed.onNode(this.#node, command, JSON.stringify(change)))
  }

  async #paths(): Promise<readonly string[]> {
    const { status } = await this.#nodes.runtime(this.#node)
    const paths = status?.changes?.map(({ path }) => path) ?? []
    if (status?.phase !== 'Committed' || paths.length === 0) {
      throw new Error(`${this.#node} was to be changed; its NodeRuntime says ${status?.phase}`)
    }
    return paths
  }

  #read(paths: readonly string[]): readonly BareFile[] {
    const root = this.#bed.cluster.rootOf(this.#node)
    return paths.map((path) => {
      try {
        return { path, text: readFileSync(join(root, path), 'utf8') }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        return { path }
      }
    })
  }

  async #pods(): Promise<readonly Pod[]> {
    return this.#nodes.list<Pod>('pods', '--all-namespaces', `--field-selector=spec.nodeName=${this.#node}`)
  }

  /** Resolves when the node is Ready and the engine runs the containers of its pods, and no others. */
  async #settled(end: 'from' | 'to'): Promise<void> {
    const { socket } = engines[this.#journey[end]]
    const command = await this.#bed.install(this.#node, 'running')
    const giveUp = Date.now() + settleMs
    await this.#bed.cluster.waitReady([this.#node])
    for (;;) {
      const ids = (await this.#pods()).flatMap(containersOf)
      const running = JSON.parse(await this.#bed.onNode(this.#node, [...command, socket])) as readonly string[]
      if (ids.length > 0 && ids.toSorted().join() === running.toSorted().join()) return
      if (Date.now() > giveUp)
        throw new Error(`the pods of ${this.#node} do not run: ${ids.join()} of ${running.join()}`)
      await sleep(500)
    }
  }

  #sh(script: string): Promise<string> {
    return this.#bed.onNode(this.#node, ['sh', '-euc', script])
  }
}
