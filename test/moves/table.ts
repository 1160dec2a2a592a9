/** The moves that are made on real nodes. */
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { lacking, type NodeSpec, type Settings, sentence } from '../cluster/cluster.ts'
import { ociAdapterFolder } from '../cluster/oci-adapter.ts'
import type { Bed } from '../nodes/migration/bed.ts'
import type { Move } from './move.ts'

/** Programs that start containers on machines that may do less than a runtime asks for: see test/cluster/oci-adapter. */
const adapted = [
  { name: 'runc', default: true, binary: `${ociAdapterFolder}/runc` },
  { name: 'crun', type: 'crun' as const, binary: `${ociAdapterFolder}/crun`, runtimeClass: {} },
]

const archive = async (bed: Bed, name: 'containerd' | 'cri-o') => ({ archive: await bed.cluster.download(name) })

/** The upgrade alone: nothing else of the node's configuration changes. */
export const engineOnly = async (bed: Bed): Promise<Partial<RuntimeProfileSpec>> => ({
  engine: { name: 'containerd', version: '2.3', source: await archive(bed, 'containerd') },
})

export const toContainerd = async (bed: Bed): Promise<Partial<RuntimeProfileSpec>> => ({
  engine: { name: 'containerd', version: '2.3', source: await archive(bed, 'containerd') },
  handlers: adapted,
  sandboxImage: bed.cluster.sandboxImage,
  migration: { images: 'transfer' },
})

export const toCrio = async (bed: Bed): Promise<Partial<RuntimeProfileSpec>> => ({
  engine: { name: 'cri-o', source: await archive(bed, 'cri-o') },
  handlers: adapted,
  sandboxImage: bed.cluster.sandboxImage,
  migration: { images: 'transfer' },
})

async function allByArchive({ cluster }: Bed): Promise<Partial<RuntimeProfileSpec>> {
  const [containerd, cniPlugins, runc, crun] = await Promise.all([
    cluster.download('containerd'),
    cluster.download('cni-plugins'),
    cluster.download('runc'),
    cluster.download('crun'),
  ])
  return {
    engine: { name: 'containerd', version: '2.3', source: { archive: { ...containerd, cniPlugins } } },
    handlers: [
      { name: 'runc', default: true, archive: runc },
      { name: 'crun', type: 'crun', archive: crun, runtimeClass: {} },
    ],
  }
}

interface Row extends Move {
  readonly what: string
  /** The node, made so. */
  readonly kind: NodeSpec['kind']
  readonly packages?: readonly string[]
  /** Of DRYDOCK_TESTBED_BIN. */
  readonly needs?: readonly string[]
}

export const crioBundle = ['crio', 'pinns', 'conmon']

/** It carries images into CRI-O. */
const carrier = ['skopeo']

export const rows: readonly Row[] = [
  {
    what: 'containerd 1.6 to 2.3 by archive, under its pods',
    node: 'old',
    kind: 'debian12',
    from: /^containerd:\/\/1\.6/,
    to: /^containerd:\/\/2\.3/,
    keepsPods: true,
    spec: engineOnly,
  },
  {
    what: 'containerd 1.7 to 2.3 by a package that is held and stays held, under its pods',
    node: 'packaged',
    kind: 'debian13',
    packages: carrier,
    from: /^containerd:\/\/1\.7/,
    to: /^containerd:\/\/2\.3/,
    keepsPods: true,
    spec: async () => ({ engine: { name: 'containerd', version: '2.3', source: { package: {} } } }),
    given: (bed) => bed.shell('packaged', 'apt-mark hold containerd'),
    there: async (t, bed) => {
      t.equal((await bed.shell('packaged', 'apt-mark showhold')).trim(), 'containerd', 'still held')
    },
  },
  {
    what: 'containerd 1.7 to 2.3 with runc, crun and CNI plugins, each by archive',
    node: 'packaged',
    kind: 'debian13',
    packages: carrier,
    from: /^containerd:\/\/1\.7/,
    to: /^containerd:\/\/2\.3/,
    runtimeClasses: ['crun'],
    spec: allByArchive,
    there: async (t, bed) => {
      const programs = await bed.shell('packaged', 'ls /opt/drydock/engines')
      t.match(programs, /^cni-plugins-\w+\ncontainerd-\w+\ncrun-\w+\nrunc-\w+\n$/, 'all lie beside each other')
    },
  },
  {
    what: 'containerd 1.7 to 2.3 by archive on the control plane, under its pods',
    node: 'control-plane',
    kind: 'debian13',
    from: /^containerd:\/\/1\.7/,
    to: /^containerd:\/\/2\.3/,
    keepsPods: true,
    hasApi: true,
    spec: engineOnly,
  },
  {
    what: 'Docker to containerd 2.3',
    node: 'docker',
    kind: 'debian13-docker',
    needs: ['cri-dockerd'],
    from: /^docker:\/\/26/,
    to: /^containerd:\/\/2\.3/,
    runtimeClasses: ['crun'],
    spec: toContainerd,
  },
  {
    what: 'Docker to CRI-O',
    node: 'docker',
    kind: 'debian13-docker',
    needs: ['cri-dockerd', ...crioBundle],
    from: /^docker:\/\/26/,
    to: /^cri-o:\/\/1\.3/,
    runtimeClasses: ['crun'],
    spec: toCrio,
  },
  {
    what: 'containerd 1.7 to CRI-O',
    node: 'packaged',
    kind: 'debian13',
    packages: carrier,
    needs: crioBundle,
    from: /^containerd:\/\/1\.7/,
    to: /^cri-o:\/\/1\.3/,
    runtimeClasses: ['crun'],
    spec: toCrio,
  },
  {
    what: 'CRI-O to containerd 2.3',
    node: 'crio',
    kind: 'debian13-crio',
    needs: crioBundle,
    from: /^cri-o:\/\/1\.3/,
    to: /^containerd:\/\/2\.3/,
    runtimeClasses: ['crun'],
    spec: toContainerd,
  },
]

/** Why a row cannot be shown here; undefined: it can. */
export async function lackOf({ needs = [] }: Row, settings: Settings): Promise<string | undefined> {
  const missing = await lacking(settings, needs)
  return missing.length > 0 ? `it needs ${sentence(missing)}` : undefined
}

const controlPlane: NodeSpec = { name: 'control-plane', kind: 'debian13', controlPlane: true }

/** The control plane, and the workers of these rows. */
export function nodesOf(wanted: readonly Row[]): readonly NodeSpec[] {
  const nodes = new Map<string, NodeSpec>([[controlPlane.name, controlPlane]])
  for (const { node: name, kind, packages } of wanted) {
    if (name !== controlPlane.name) nodes.set(name, { name, kind, controlPlane: false, ...(packages && { packages }) })
  }
  return [...nodes.values()]
}
