/**
 * Machines without an engine and without a cluster: the command line brings them one, proves it and takes it away again.
 */
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { NodeRuntimeStatus, RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { bundle, commandLine } from '../../images/bundle.ts'
import { sandboxArchive } from '../cluster/bring-up.ts'
import { bringUp, type Output, settingsFrom } from '../cluster/cluster.ts'
import { ociAdapterFolder } from '../cluster/oci-adapter.ts'
import { takeDown } from '../cluster/take-down.ts'
import { Bed } from '../nodes/migration/bed.ts'
import { drydockImages } from '../support/install.ts'
import { differences, imageOf } from './node-image.ts'

const name = 'embedded'
const root = join(import.meta.dirname, '../..')
const program = '/root/drydock.cjs'

t.setTimeout(900_000)

interface Case {
  readonly node: string
  readonly kind: 'debian12-bare' | 'debian13-bare'
  /** What a person has done on the machine before. */
  readonly given: string
  readonly engine: (bed: Bed) => Promise<RuntimeProfileSpec['engine']>
  readonly notes: readonly RegExp[]
}

/** The test bed's stand-in for runc runs the one that is there, which packages would bring too late for a look ahead. */
const getRunc = 'apt-get -qq update; apt-get -qq install --yes runc >/dev/null 2>&1'

const cases: readonly Case[] = [
  {
    node: 'packaged',
    kind: 'debian12-bare',
    // The kubelet ends as soon as it starts, over and over.
    given: `rm /etc/cni/net.d/*; systemctl enable --quiet --now kubelet; ${getRunc}`,
    engine: async () => ({ name: 'containerd', version: '2.3', source: { package: {} } }),
    notes: [/network of pods is not proven/],
  },
  {
    node: 'archived',
    kind: 'debian13-bare',
    given: getRunc,
    engine: async ({ cluster }) => {
      const cniPlugins = await cluster.download('cni-plugins')
      return {
        name: 'containerd',
        version: '2.3',
        source: { archive: { ...(await cluster.download('containerd')), cniPlugins } },
      }
    },
    notes: [],
  },
]

const profileOf = (engine: RuntimeProfileSpec['engine'], sandboxImage: string): string =>
  JSON.stringify({
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'RuntimeProfile',
    metadata: { name: 'one' },
    spec: {
      nodeSelector: {},
      engine,
      sandboxImage,
      handlers: [{ name: 'runc', default: true, binary: `${ociAdapterFolder}/runc` }],
    },
  })

/** With the folders of units. Whether a kubelet runs that ends over and over is chance. */
async function imageAt(bed: Bed, node: string): Promise<readonly string[]> {
  const folders = await bed.shell(node, 'find /etc/systemd/system -type d | sort')
  const image = await imageOf(bed, node)
  return [...image.filter((line) => !line.startsWith('unit kubelet.service')), ...folders.trim().split('\n')]
}

/** Node, the command line and the images that no registry has here. */
async function bring(bed: Bed, node: string, archive: string): Promise<void> {
  const there = bed.cluster.rootOf(node)
  const { code } = await bundle(commandLine, root, 'test')
  await mkdir(join(there, 'usr/local/bin'), { recursive: true })
  await copyFile(process.execPath, join(there, 'usr/local/bin/node'))
  await chmod(join(there, 'usr/local/bin/node'), 0o755)
  await writeFile(join(there, program), code)
  await copyFile(archive, join(there, 'root/agent.tar'))
}

t.test(
  'a machine gets its first engine, and loses it again',
  { skip: process.getuid?.() !== 0 && 'machines need root' },
  async (t) => {
    const settings = settingsFrom(process.env)
    const down = () => takeDown(settings, name, () => undefined)
    await down()
    t.teardown(down)
    const [images, cluster] = await Promise.all([
      drydockImages(),
      bringUp({
        name,
        nodes: cases.map(({ node, kind }) => ({ name: node, kind, controlPlane: false })),
        offers: true,
        log: (line) => t.comment(line),
      }),
    ])
    const bed = new Bed(cluster)
    const agent = images.find((path) => path.includes('agent'))!
    for (const one of cases) {
      await t.test(one.node, async (t) => {
        const { node } = one
        const drydock = async (...args: readonly string[]): Promise<Output> => {
          const output = await cluster.exec(node, ['node', program, 'node', ...args], { timeout: 180_000 })
          t.comment(`${args[0]}: ${output.stderr}`)
          return output
        }
        const status = ({ stdout }: Output): NodeRuntimeStatus => JSON.parse(stdout) as NodeRuntimeStatus
        const brought = [
          '--image-archive',
          '/root/agent.tar',
          sandboxArchive,
          '--image',
          await imageIn(agent),
          '-o',
          'json',
        ]
        await bring(bed, node, agent)
        await bed.shell(node, one.given)
        await bed.write(node, '/root/one.yaml', profileOf(await one.engine(bed), cluster.sandboxImage))
        const before = await imageAt(bed, node)
        const kubelet = await bed.shell(node, 'systemctl show -P UnitFileState kubelet')

        const preview = await drydock('apply', '/root/one.yaml', '--dry-run', ...brought)
        t.match(status(preview), { phase: 'Prepared', action: 'DrainSwitch', pods: 0 })
        t.same(differences(before, await imageAt(bed, node)), [], 'a dry run touches nothing')
        t.equal(await bed.shell(node, 'ls -A /opt/drydock/engines 2>/dev/null || true'), '', 'and keeps no program')

        const mistyped = await drydock('apply', '/root/one.yaml', '--image-archive', '/root/nowhere.tar', '-o', 'json')
        t.match(status(mistyped), { phase: 'Refused', reason: 'ArchiveMissing', message: /correct --image-archive/ })
        t.same(
          differences(before, await imageAt(bed, node)),
          [],
          'a missing archive is told before anything is touched',
        )

        const applied = await drydock('apply', '/root/one.yaml', ...brought)
        t.equal(applied.code, 0, applied.stdout)
        t.match(status(applied), {
          phase: 'Committed',
          verification: { passed: true, engineVersion: /2\.3/, handlers: [{ name: 'runc', passed: true }] },
          observed: { engine: { name: 'containerd' }, cgroup: { engineDriver: 'systemd' } },
        })
        t.match(status(applied).notes ?? [], one.notes)
        t.equal((status(applied).notes ?? []).length, one.notes.length)
        t.match(
          await bed.shell(node, 'systemctl is-active containerd; systemctl is-enabled containerd'),
          /active\nenabled/,
        )
        t.equal(await bed.shell(node, 'systemctl show -P UnitFileState kubelet'), kubelet, 'the kubelet is as it was')

        t.match(status(await drydock('apply', '/root/one.yaml', ...brought)), { phase: 'Committed', action: 'None' })
        t.match(status(await drydock('verify', ...brought)), { phase: 'Committed', verification: { passed: true } })
        t.match(JSON.parse((await drydock('status', '-o', 'json')).stdout), {
          isOpen: false,
          observed: { engine: { name: 'containerd' } },
        })

        const restored = await drydock('restore', ...brought)
        t.equal(restored.code, 0, restored.stdout)
        t.match(status(restored), { phase: 'Committed', observed: { engine: { name: 'none' } } })
        t.same(differences(before, await imageAt(bed, node)), [], 'files, units and packages are what they were')
        t.equal(await bed.shell(node, 'ls -A /opt/drydock/engines 2>/dev/null || true'), '', 'no program is left')
      })
    }
  },
)

/** The name that the archive gives its image. */
async function imageIn(archive: string): Promise<string> {
  const { stdout } = await promisify(execFile)('tar', ['-xOf', archive, 'manifest.json'])
  const [{ RepoTags }] = JSON.parse(stdout) as [{ RepoTags: [string] }]
  return RepoTags[0]
}
