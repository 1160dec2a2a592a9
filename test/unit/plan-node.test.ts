import t from 'tap'
import { dependentPlugin } from '../../node-agent/cni/network.ts'
import type { Observation } from '../../node-agent/detect/observation.ts'
import { changeOf } from '../../node-agent/engine/composing.ts'
import { containerd } from '../../node-agent/engines/containerd/index.ts'
import { isRefusal, type Pasts, type Refusal, type Target } from '../../node-agent/engines/engine.ts'
import { committed, freshMemory, type Memory } from '../../node-agent/journal/memory.ts'
import { filesOf } from '../../node-agent/kubelet/kubelet.ts'
import { unifiedDiff } from '../../node-agent/plan/diff.ts'
import { planNode } from '../../node-agent/plan/plan.ts'
import type { Plan, PlanInput } from '../../node-agent/plan/types.ts'
import { containerdConfig } from '../cluster/containerd-config.ts'

const main = '/etc/containerd/config.toml'
const config = '/var/lib/kubelet/config.yaml'
const before = {
  [main]: containerdConfig(2, { cgroupDriver: 'cgroupfs', sandboxImage: 'x/pause:1' }),
  [config]: 'cgroupDriver: cgroupfs\n',
}

function node(files: Record<string, string | undefined> = before): Observation {
  const bytes = (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path]))
  return {
    observed: { engine: { name: 'containerd', version: '1.7.24~ds1' }, cgroup: { version: 'v1' } },
    machineID: 'm',
    bootID: 'b',
    kubelet: {
      unit: 'kubelet.service',
      version: '1.36.3',
      unitFiles: [],
      instanceConfig: undefined,
      configFile: { path: config, bytes: bytes(config) },
      dropIns: [],
      environmentFiles: [],
      configuredDriver: 'cgroupfs',
      endpoint: 'unix:///run/containerd/containerd.sock',
      healthz: { address: '127.0.0.1', port: 10248 },
    },
    engine: {
      engine: containerd,
      found: {
        observed: { engine: { name: 'containerd', version: '1.7.24~ds1' } },
        configFiles: [{ path: main, bytes: bytes(main) }],
        ociRuntimes: [{ path: '/usr/bin/crun', kind: 'crun', version: '1' }],
        searchPath: ['/usr/bin'],
      },
    },
  }
}

const wanted: Target = {
  engine: { name: 'containerd' },
  cgroupDriver: 'systemd',
  handlers: [
    { name: 'runc', type: 'runc', default: true },
    { name: 'crun', type: 'crun', default: false },
  ],
}

/** The node as it is, with the engine that it has. */
function inputOf(observation: Observation, target: Target | undefined, pasts: Pasts = new Map()): PlanInput {
  const { engine, kubelet } = observation
  const found = [...(engine?.found.configFiles ?? []), ...(kubelet ? filesOf(kubelet) : [])]
  const files = new Map(found.map(({ path, bytes }) => [path, bytes]))
  const to = engine?.engine.name === (target?.engine.name ?? 'containerd') ? engine : undefined
  const heritage = { engine: 'containerd', cgroupDriver: 'cgroupfs', sandboxImage: 'x/pause:1' } as const
  return { observation, to, target, heritage, pasts, files, networks: [], restoresPackages: false, strangers: [] }
}

function plan(observation: Observation, target: Target | undefined, pasts: Pasts = new Map()): Plan {
  const result = planNode(inputOf(observation, target, pasts))
  if (isRefusal(result)) throw new Error(result.message)
  return result
}

const texts = ({ edits }: Plan) => Object.fromEntries(edits.map(({ path, after }) => [path, after?.toString()]))

function refused(observation: Observation, target: Target | undefined, pasts: Pasts = new Map()): Refusal {
  const result = planNode(inputOf(observation, target, pasts))
  if (!isRefusal(result)) throw new Error('not refused')
  return result
}

t.test('engine and kubelet are one pair', async (t) => {
  const { edits, action, changes } = plan(node(), wanted)
  t.same(
    edits.map(({ path }) => path),
    [main, config],
  )
  t.equal(action, 'DrainRestart')
  t.match(changes, [
    { path: main, diff: /-\s+SystemdCgroup = false # the kubelet.*\n\+\s+SystemdCgroup = true # the kubelet/ },
    { path: config, diff: /-cgroupDriver: cgroupfs\n\+cgroupDriver: systemd/ },
  ])
  t.equal(
    plan(node({ ...before, [main]: before[main]!.replace('SystemdCgroup = false', 'SystemdCgroup = true') }), {
      engine: { name: 'containerd' },
      cgroupDriver: 'systemd',
    }).action,
    'DrainRestart',
    'the kubelet alone too',
  )
  t.equal(plan(node(), { engine: { name: 'containerd' }, sandboxImage: 'x/pause:2' }).action, 'Restart')
  t.match(plan(node(), { engine: { name: 'containerd' } }), { edits: [], action: 'None', changes: [] })
})

function after(target: Target): { files: Record<string, string>; pasts: Pasts } {
  const { edits } = plan(node(), target)
  return {
    files: { ...before, ...Object.fromEntries(edits.map(({ path, after }) => [path, `${after}`])) },
    pasts: new Map(edits.map(({ path, original, after }) => [path, { original, written: after }])),
  }
}

t.test('the original comes back byte for byte', async (t) => {
  const { files, pasts } = after(wanted)
  const back = plan(node(files), undefined, pasts)
  t.same(texts(back), before)
  t.equal(back.action, 'DrainRestart')
  t.match(plan(node(), undefined, pasts), { edits: [], action: 'None' }, 'once is enough')
  t.same(
    texts(
      plan(
        node({ ...files, [main]: '# new\n' }),
        undefined,
        new Map([[main, { original: undefined, written: Buffer.from('# new\n') }]]),
      ),
    ),
    { [main]: undefined },
    'a file that was not there goes',
  )
})

t.test('packages that go back are an older engine, without any file too', async (t) => {
  t.match(planNode({ ...inputOf(node(), undefined), restoresPackages: true }), { action: 'DrainRestart', edits: [] })
  t.match(planNode(inputOf(node(), undefined)), { action: 'None', edits: [] })
})

t.test('the original does not come back over what others wrote', async (t) => {
  const { files, pasts } = after(wanted)
  const edited = { ...files, [main]: files[main]!.replace('32768', '16384') }
  t.match(refused(node(edited), undefined, pasts), {
    reason: 'FileEditedSince',
    message: /config\.toml is no longer what Drydock wrote \(it differs from it in line 19\)/,
  })
  t.match(refused(node({ ...files, [main]: undefined }), undefined, pasts), { message: /it is gone/ })
  const gone = new Map([['/etc/other', { original: Buffer.from('a'), written: Buffer.from('b') }]])
  t.match(refused(node(files), undefined, gone), {
    reason: 'FileEditedSince',
    message: /\/etc\/other .*\(it is gone\)/,
  })
})

t.test('a new target starts from the original', async (t) => {
  const { files, pasts } = after(wanted)
  const { crun: _, ...next } = { ...wanted, handlers: [wanted.handlers![0]!], crun: 0 }
  const direct = texts(plan(node(), next))
  t.equal(texts(plan(node(files), next, pasts))[main], direct[main], 'as if the first had never been')
  t.same(plan(node(files), wanted, pasts).edits, [])
  t.same(
    texts(plan(node(files), { engine: { name: 'containerd' } }, pasts)),
    before,
    'what the target no longer says goes back',
  )
})

t.test('what this version does not change is refused with a sentence', async (t) => {
  t.match(refused(node(), { engine: { name: 'cri-o' } }), {
    reason: 'EngineDiffers',
    message: /runs containerd, and cri-o is not on it: write spec.engine.source/,
  })
  t.match(refused(node(), { engine: { name: 'containerd', version: '2.3' } }), {
    reason: 'EngineVersionDiffers',
    message: /has containerd 1\.7\.24~ds1, the profile asks for 2\.3/,
  })
  t.match(
    refused(node(), { engine: { name: 'containerd', version: '1.7.2' } }),
    { reason: 'EngineVersionDiffers' },
    '1.7.24 is not 1.7.2',
  )
  for (const version of ['1.7', '1.7.24', '1.7.24~ds1', 'v1.7'])
    t.same(plan(node(), { engine: { name: 'containerd', version } }).edits, [], version)
  t.match(refused(node(), { engine: { name: 'containerd' }, cgroupVersion: 'v2' }), {
    reason: 'CgroupVersionDiffers',
    message: /has cgroup v1/,
  })
  t.match(refused({ ...node(), refusal: { reason: 'X', message: 'why' } }, wanted), { reason: 'X', message: 'why' })
  t.match(refused({ ...node(), engine: undefined }, wanted), { reason: 'EngineUnknown' })
})

t.test('a diff is cut at 8 kB', async (t) => {
  const text = (word: string) => Buffer.from(`${word} line\n`.repeat(1000))
  const diff = unifiedDiff({ path: '/x', before: text('a'), after: text('b'), original: undefined })
  t.equal(diff.length, 8192)
  t.match(diff, /^--- \/x\n\+\+\+ \/x\n@@[\s\S]*\n\(cut\)\n$/)
  t.match(
    unifiedDiff({ path: '/x', before: undefined, after: Buffer.from('a\n'), original: undefined }),
    /^--- \/dev\/null\n\+\+\+ \/x\n@@ -0,0 \+1,1 @@\n\+a\n$/,
  )
})

t.test('what an order no longer names is proven as it was before Drydock', (t) => {
  const states = new Map()
  const image = 'agent'
  const ordered = (observation: Observation, target: Target, memory: Memory, pasts: Pasts = new Map()) => {
    const order = { permit: 'Switch', revision: 'r', attempt: 1, image, target } as const
    const made = plan(observation, target, pasts)
    const { engine } = observation
    if (!engine) throw new Error('no engine')
    const change = changeOf({ order, memory, observation, to: engine, plan: made }, states, undefined)
    return { order, plan: made, change }
  }
  const drivers = (driver: 'systemd' | 'cgroupfs', files: Record<string, string | undefined> = before) => {
    const found = node(files)
    const cgroup = { version: 'v1', engineDriver: driver, kubeletDriver: driver } as const
    const standard = driver === 'systemd' ? 'crun' : 'runc'
    const handlers = ['runc', 'crun'].map((name) => ({ name, default: name === standard }))
    const engine = found.engine && {
      ...found.engine,
      found: { ...found.engine.found, observed: { ...found.engine.found.observed, handlers } },
    }
    return { ...found, engine, observed: { ...found.observed, cgroup, handlers } }
  }
  const named: Target = {
    engine: { name: 'containerd' },
    cgroupDriver: 'systemd',
    handlers: [
      { name: 'runc', type: 'runc', default: false },
      { name: 'crun', type: 'crun', default: true },
    ],
  }
  const first = ordered(drivers('cgroupfs'), named, freshMemory('m'))
  t.match(first.change.wanted, { cgroupDriver: 'systemd', kubeletDriver: 'systemd' })
  const files = first.plan.edits.map(({ path }) => ({ path, before: 'x', after: 'y', original: 'x' }))
  const memory = committed(freshMemory('m'), { id: '1', order: first.order, change: { ...first.change, files } }, {})
  const after = Object.fromEntries(first.plan.edits.map((edit) => [edit.path, `${edit.after}`]))
  const pasts = new Map(first.plan.edits.map((edit) => [edit.path, { original: edit.original, written: edit.after }]))
  const second = ordered(drivers('systemd', after), { engine: { name: 'containerd' } }, memory, pasts)
  t.same(
    second.plan.edits.map((edit) => `${edit.after}`),
    second.plan.edits.map(({ path }) => before[path as keyof typeof before]),
    'the files are what they were',
  )
  t.same(second.change.wanted, {
    handlers: [{ name: 'runc', default: true }],
    cgroupDriver: 'cgroupfs',
    cgroupVersion: 'v1',
    kubeletDriver: 'cgroupfs',
  })
  const { named: _, ...unnamed } = memory
  const third = ordered(drivers('systemd', after), { engine: { name: 'containerd' } }, unnamed)
  t.match(third.change.wanted, { cgroupDriver: 'systemd' }, 'what nobody named is as it was found')
  t.end()
})

t.test('which networks a proof cannot ask for', (t) => {
  const file = (text: object, path = '/etc/cni/net.d/10-x.conflist') => ({
    path,
    bytes: Buffer.from(JSON.stringify(text)),
  })
  const chain = (...plugins: object[]) => file({ cniVersion: '1.0.0', name: 'x', plugins })
  const bridge = { type: 'bridge', ipam: { type: 'host-local' } }
  t.equal(dependentPlugin(chain(bridge, { type: 'portmap' })), undefined)
  t.equal(dependentPlugin(chain({ type: 'calico', ipam: { type: 'calico-ipam' } }, { type: 'portmap' })), 'calico')
  t.equal(dependentPlugin(chain({ type: 'cilium-cni' })), 'cilium-cni')
  t.equal(
    dependentPlugin(chain({ type: 'macvlan', ipam: { type: 'whereabouts' } })),
    'whereabouts',
    'who gives addresses counts',
  )
  t.equal(dependentPlugin(file({ type: 'multus' }, '/etc/cni/net.d/00-multus.conf')), 'multus', 'a single plugin')
  t.equal(dependentPlugin(file({ type: 'multus' }, '/etc/cni/net.d/00-multus.conf.disabled')), undefined)
  t.equal(dependentPlugin({ path: '/etc/cni/net.d/calico-kubeconfig', bytes: Buffer.from('kind: Config') }), undefined)
  t.equal(dependentPlugin({ path: '/etc/cni/net.d/10-x.conf', bytes: undefined }), undefined)
  t.end()
})
