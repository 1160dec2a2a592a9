import fc from 'fast-check'
import t from 'tap'
import { type FileEdit, isRefusal, type Pasts } from '../../node-agent/engines/engine.ts'
import { detectKubelet } from '../../node-agent/kubelet/detect.ts'
import { filesOf, type KubeletFound } from '../../node-agent/kubelet/kubelet.ts'
import { type KubeletTarget, removedFlags, renderKubelet } from '../../node-agent/kubelet/render.ts'
import { sameSocket } from '../../node-agent/kubelet/settings.ts'
import { withoutDrydock } from '../../node-agent/kubelet/undo.ts'
import { hostOf } from '../unit/detect-host.ts'

const runs = { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 300) }

const unit = '/lib/systemd/system/kubelet.service'
const own = '/etc/systemd/system/kubelet.service.d/20-own.conf'
const config = '/var/lib/kubelet/config.yaml'
const sockets = ['unix:///run/containerd/containerd.sock', '/run/crio/crio.sock', 'unix:///var/run/crio/crio.sock']

const endpointFlag = fc
  .tuple(fc.constantFrom(...sockets), fc.constantFrom('=', ' ', '  '))
  .map(([socket, gap]) => `--container-runtime-endpoint${gap}${socket}`)
const known = fc.constantFrom(
  '--node-ip=10.0.0.1',
  '--v 2',
  '--container-runtime-endpoint-not=1',
  '--hostname-override=a',
)
const dead = fc.constantFrom(
  '--container-runtime=remote',
  '--network-plugin=cni',
  '--pod-infra-container-image k8s/pause:3',
)
const driverFlag = fc.constantFrom('--cgroup-driver=systemd', '--cgroup_driver cgroupfs')
const words = (...kinds: fc.Arbitrary<string>[]) =>
  fc.uniqueArray(fc.oneof(...kinds), { maxLength: 4, selector: (flag) => flag.replaceAll('_', '-').split(/[= ]/)[0] })

const environment = fc
  .record({
    name: fc.constantFrom('KUBELET_KUBEADM_ARGS', 'KUBELET_EXTRA_ARGS', 'KUBELET_NOBODY'),
    flags: words(known, known, dead, endpointFlag, driverFlag),
    quote: fc.constantFrom('"', "'", ''),
    join: fc.constantFrom(' ', '  ', ' \\\n\t'),
    comment: fc.constantFrom('', '# --container-runtime-endpoint=/old --cgroup-driver=none\n', '\n; x\n'),
    end: fc.constantFrom('', '\n', '\nOTHER=1\n'),
  })
  .map(({ name, flags, quote, join, comment, end }) => `${comment}${name}=${quote}${flags.join(join)}${quote}${end}`)

const ownDropIn = fc
  .record({ flags: words(known, dead, endpointFlag, driverFlag), quote: fc.constantFrom('"', "'") })
  .map(
    ({ flags, quote }) => `# own\n[Service]\nEnvironment=A=1 ${quote}KUBELET_OWN_ARGS=${flags.join(' ')}${quote} B=2\n`,
  )

const yaml = fc
  .record({
    driver: fc.constantFrom('', 'cgroupDriver: systemd # why\n', '"cgroupDriver": "cgroupfs"\n'),
    endpoint: fc.constantFrom(
      '',
      'containerRuntimeEndpoint: ""\n',
      ...sockets.map((each) => `containerRuntimeEndpoint:   '${each}' # here\n`),
    ),
    rest: fc.constantFrom('', 'maxPods: 50\n', 'nested:\n  cgroupDriver: other\n  containerRuntimeEndpoint: other\n'),
  })
  .map(({ driver, endpoint, rest }) => `kind: KubeletConfiguration\n${driver}${rest}${endpoint}# end\n`)

interface Node {
  readonly files: Record<string, string>
  readonly version: string
}

const node: fc.Arbitrary<Node> = fc
  .record({
    kubeadm: environment,
    extra: fc.option(environment, { nil: undefined }),
    dropIn: ownDropIn,
    main: yaml,
    patch: fc.option(fc.constantFrom(...sockets), { nil: undefined }),
    version: fc.constantFrom('1.24.17', '1.26.15', '1.30.14', '1.36.3', '1.37.0'),
  })
  .map(({ kubeadm, extra, dropIn, main, patch, version }) => ({
    version,
    files: {
      [unit]: `[Service]\nEnvironmentFile=/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet --config=${config} $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS $KUBELET_OWN_ARGS\n`,
      [own]: dropIn,
      [config]: main,
      '/var/lib/kubelet/kubeadm-flags.env': kubeadm,
      ...(extra === undefined ? {} : { '/etc/default/kubelet': extra }),
      ...(patch ? { '/var/lib/kubelet/instance-config.yaml': `containerRuntimeEndpoint: ${patch}\n` } : {}),
    },
  }))

const target: fc.Arbitrary<KubeletTarget> = fc.record({
  driver: fc.constantFrom('systemd' as const, 'cgroupfs' as const, undefined),
  endpoint: fc.constantFrom('unix:///run/containerd/containerd.sock', 'unix:///var/run/crio/crio.sock', undefined),
})

async function found({ files, version }: Node): Promise<KubeletFound> {
  const host = hostOf({
    files,
    programs: { '/usr/bin/kubelet --version': `Kubernetes v${version}\n` },
    units: { 'kubelet.service': { execStart: '/usr/bin/kubelet', files: [unit, own] } },
  })
  return (await detectKubelet(host))!
}

/** An endpoint that only a flag can say, and no place for it, is refused: not what these properties are about. */
function render(
  kubelet: KubeletFound,
  wanted: KubeletTarget,
  pasts: Pasts = new Map(),
): readonly FileEdit[] | undefined {
  const edits = renderKubelet(kubelet, wanted, pasts)
  if (!isRefusal(edits)) return edits
  if (edits.reason === 'KubeletNotConfigurable') return undefined
  throw new Error(edits.message)
}

function after({ files, version }: Node, edits: readonly FileEdit[]): Node {
  return { version, files: { ...files, ...Object.fromEntries(edits.map((edit) => [edit.path, `${edit.after}`])) } }
}

function pastsOf(edits: readonly FileEdit[]): Pasts {
  return new Map(edits.map(({ path, original, after: written }) => [path, { original, written }]))
}

/** The text without everything that may change. */
function rest(text: string): string {
  return text
    .replaceAll(/^"?cgroupDriver.*$|^containerRuntimeEndpoint.*$/gm, '')
    .replaceAll(/--(?:container-runtime-endpoint|cgroup[-_]driver)[= ]+[^\s"']+/g, '')
    .replaceAll(/--(?:container-runtime=remote|network-plugin=cni|pod-infra-container-image \S+:3)(?=[\s"']|$)/g, '')
    .replaceAll(/[ \t\n\\]+/g, '')
}

t.test('the kubelet gets what is asked for', async (t) => {
  await fc.assert(
    fc.asyncProperty(node, target, async (before, wanted) => {
      const kubelet = await found(before)
      const edits = render(kubelet, wanted)
      if (!edits) return
      const now = await found(after(before, edits))
      if (!sameSocket(now.endpoint, wanted.endpoint ?? kubelet.endpoint)) throw new Error(`uses ${now.endpoint}`)
      if (wanted.driver && now.configuredDriver !== wanted.driver) throw new Error(`uses ${now.configuredDriver}`)
      if (removedFlags(now).length > 0) throw new Error(`keeps ${removedFlags(now)}`)
      const patch = now.instanceConfig?.bytes?.toString()
      if (patch && !sameSocket(/: (.*)/.exec(patch)![1]!, now.endpoint)) throw new Error(`kubeadm goes back: ${patch}`)
    }),
    runs,
  )
  t.pass()
})

t.test('nothing else changes', async (t) => {
  await fc.assert(
    fc.asyncProperty(node, target, async (before, wanted) => {
      for (const edit of render(await found(before), wanted) ?? []) {
        if (rest(`${edit.before}`) !== rest(`${edit.after}`)) throw new Error(`${edit.before}\nbecame\n${edit.after}`)
      }
    }),
    runs,
  )
  t.pass()
})

t.test('twice is once', async (t) => {
  await fc.assert(
    fc.asyncProperty(node, target, async (before, wanted) => {
      const edits = render(await found(before), wanted)
      if (!edits) return
      const kubelet = await found(after(before, edits))
      const again = [render(kubelet, wanted), render(kubelet, wanted, pastsOf(edits))]
      if (again.some((each) => each?.length !== 0)) throw new Error(`edited again: ${JSON.stringify(again)}`)
    }),
    runs,
  )
  t.pass()
})

t.test('the original is what was there, and what others wrote since stays', async (t) => {
  await fc.assert(
    fc.asyncProperty(node, target, async (before, wanted) => {
      const edits = render(await found(before), wanted)
      if (!edits) return
      const written = after(before, edits)
      const undone = bytesIn(withoutDrydock(await found(written), pastsOf(edits)))
      for (const { path, before } of edits) {
        if (undone[path] !== `${before}`) throw new Error(`${path} is not restored: ${undone[path]}`)
      }
      const theirs = after(
        written,
        edits.map((edit) => ({ ...edit, after: Buffer.from(`# theirs\n${edit.after}`) })),
      )
      const kept = bytesIn(withoutDrydock(await found(theirs), pastsOf(edits)))
      for (const { path, before } of edits) {
        if (plain(kept[path]) !== plain(`# theirs\n${before}`)) throw new Error(`${before}\nbecame\n${kept[path]}`)
      }
    }),
    runs,
  )
  t.pass()
})

function bytesIn(kubelet: KubeletFound): Record<string, string> {
  return Object.fromEntries(filesOf(kubelet).map(({ path, bytes }) => [path, `${bytes}`]))
}

/** Its words: a flag comes back at the end of its variable. */
function plain(text: string | undefined): string {
  const words = `${text}`.split(/["'=\s\\]+/).filter((word) => word !== '')
  return words.sort().join(' ')
}
