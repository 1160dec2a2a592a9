/** Sources that do not hold what they promise: refused while nothing is touched, in words that a person can act on. */
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { type Bed, type Scenario, until } from '../nodes/migration/bed.ts'
import { refused } from '../nodes/migration/broken.ts'
import { differences, imageOf } from './node-image.ts'
import { toContainerd } from './table.ts'

interface Case {
  /** Absent: the one that has all that is needed but the source. */
  readonly node?: string
  readonly spec: (bed: Bed) => Promise<Partial<RuntimeProfileSpec>>
  readonly says: RegExp
  /** Makes the node unfit, and hands back what makes it fit again. */
  readonly given?: (bed: Bed) => Promise<() => Promise<unknown>>
}

const usual = 'packaged'

const isRefused =
  ({ node = usual, spec, says, given }: Case): Scenario =>
  async (t, bed) => {
    const before = await imageOf(bed, node)
    const undo = await given?.(bed)
    await refused(t, bed, { node, spec: await spec(bed), says })
    await undo?.()
    t.same(differences(before, await imageOf(bed, node)), [], 'files, units and packages are what they were')
    await until('nothing staged', async () => {
      const staged = await bed.shell(node, 'ls -A /opt/drydock/engines 2>/dev/null || true')
      return staged === '' ? true : undefined
    })
  }

type Fault = 'truncated' | 'stalled' | 'dead'

const from =
  (fault: Fault): Case['spec'] =>
  async (bed) => ({
    engine: {
      name: 'containerd',
      version: '2.3',
      source: { archive: await bed.cluster.download('containerd', fault) },
    },
  })

export const refusals: readonly (readonly [what: string, scenario: Scenario])[] = [
  [
    'an archive with another checksum is refused',
    isRefused({
      spec: async ({ cluster }) => {
        const [{ url }, { sha256 }] = await Promise.all([cluster.download('containerd'), cluster.download('runc')])
        return { engine: { name: 'containerd', version: '2.3', source: { archive: { url, sha256 } } } }
      },
      says: /containerd-.*\.tar\.gz.*sha256/i,
    }),
  ],
  ['an answer that breaks off is refused', isRefused({ spec: from('truncated'), says: /truncated\/containerd-/ })],
  ['a mirror that dies in the middle is refused', isRefused({ spec: from('stalled'), says: /stalled\/containerd-/ })],
  ['a mirror that is not there is refused', isRefused({ spec: from('dead'), says: /10\.88\.0\.1:8444\// })],
  [
    'an archive of something else is refused',
    isRefused({
      spec: async ({ cluster }) => ({
        engine: { name: 'containerd', source: { archive: await cluster.download('cni-plugins') } },
      }),
      says: /cni-plugins.*bin\/containerd/,
    }),
  ],
  [
    'a full disk is refused',
    isRefused({
      spec: async ({ cluster }) => ({
        engine: { name: 'containerd', source: { archive: await cluster.download('containerd') } },
      }),
      says: /space/,
      given: async (bed) => {
        await bed.shell(usual, 'mkdir -p /opt/drydock/engines; mount -t tmpfs -o size=16m none /opt/drydock/engines')
        return () => bed.shell(usual, 'umount /opt/drydock/engines')
      },
    }),
  ],
  [
    'a version that no repository has is refused',
    isRefused({
      spec: async () => ({ engine: { name: 'containerd', version: '2.9', source: { package: {} } } }),
      says: /containerd.*2\.9/,
    }),
  ],
  [
    'a crun that is too old for what the new engine writes is refused',
    isRefused({ node: 'old', spec: toContainerd, says: /crun 1\.8.*containerd 2\.3.*spec\.handlers\[\]\.archive/ }),
  ],
]
