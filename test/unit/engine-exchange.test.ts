/** What makes an exchange of engines: which units, steps and files, and the way back. */
import t from 'tap'
import type { Observation } from '../../node-agent/detect/observation.ts'
import { answerOf } from '../../node-agent/engine/answer.ts'
import { sidesOf } from '../../node-agent/engine/composing.ts'
import { type UnitsInput, unitChanges } from '../../node-agent/engine/unit-changes.ts'
import { found, record } from '../../node-agent/engine/work.ts'
import { containerd } from '../../node-agent/engines/containerd/index.ts'
import { docker } from '../../node-agent/engines/docker/index.ts'
import { type FileFound, isRefusal, type Pasts, type Side, type Target } from '../../node-agent/engines/engine.ts'
import { committed, freshMemory } from '../../node-agent/journal/memory.ts'
import type { Change, Order } from '../../node-agent/journal/records.ts'
import { isOlder } from '../../node-agent/plan/older.ts'
import { planNode } from '../../node-agent/plan/plan.ts'
import type { PlanInput } from '../../node-agent/plan/types.ts'
import { steps, stepsOf } from '../../node-agent/steps/index.ts'
import type { Finding, Findings, StepContext } from '../../node-agent/steps/step.ts'
import { toStart, toStartAgain, toStop } from '../../node-agent/steps/units.ts'

const dockerSide: Side = {
  name: 'docker',
  units: ['docker.socket', 'docker.service', 'cri-docker.socket', 'cri-docker.service'],
  endpoint: 'unix:///run/cri-dockerd.sock',
}
const containerdSide: Side = {
  name: 'containerd',
  units: ['containerd.service'],
  endpoint: 'unix:///run/containerd/containerd.sock',
}
const running = { activeState: 'active', enabled: 'enabled' }
const states = new Map([...dockerSide.units, ...containerdSide.units].map((name) => [name, running] as const))
const expectation = { handlers: [], cgroupDriver: 'systemd', cgroupVersion: 'v1' } as const

function changeOf(input: UnitsInput, more: Partial<Change> = {}): Change {
  return {
    action: 'DrainSwitch',
    from: input.from,
    to: input.to,
    units: unitChanges(input),
    kubeletUnit: 'kubelet.service',
    healthz: { address: '127.0.0.1', port: 10248 },
    files: [{ path: '/etc/x', before: 'b', after: 'a', original: 'b' }],
    image: 'agent',
    wanted: expectation,
    former: expectation,
    ...more,
  }
}

const away = changeOf({ from: dockerSide, to: containerdSide, states, previous: 'disable' })

t.test('Docker stands on containerd: it stops first and starts last, whichever is left', async (t) => {
  t.strictSame(toStop(away), [...dockerSide.units.toReversed(), 'containerd.service'])
  t.strictSame(toStart(away), ['containerd.service'])
  t.strictSame(toStartAgain(away), ['containerd.service', ...dockerSide.units])
  t.match(
    away.units.find(({ name }) => name === 'docker.service'),
    { enabled: { before: 'enabled', after: 'disabled' }, runs: { before: true, after: false } },
  )
  t.strictSame(
    away.units.find(({ name }) => name === 'containerd.service'),
    { name: 'containerd.service', enabled: { before: 'enabled' }, runs: { before: true, after: true } },
    'what is enabled already stays so',
  )
  t.strictSame(stepsOf(away), [
    'stop-kubelet',
    'remove-pods',
    'stop-engine',
    'disable-units',
    'write-files',
    'start-engine',
    'import-images',
    'prove',
    'start-kubelet',
  ])
})

t.test('what carried images weigh is known before the kubelet stops: the deadline goes by it', async (t) => {
  const change = changeOf(
    { from: dockerSide, to: containerdSide, states, previous: 'disable' },
    { images: { names: ['app'], archive: '/images.tar' } },
  )
  const names = stepsOf(change)
  t.ok(names.indexOf('export-images') < names.indexOf('stop-kubelet'))
  const findings: Finding[] = []
  const context = {
    change,
    clock: { monotonicMs: () => 0 },
    limit: { untilMs: 5 },
    provisions: { exportImages: async () => 7 },
    found: (finding: Finding) => findings.push(finding),
  }
  await steps['export-images'].apply(context as unknown as StepContext)
  t.strictSame(findings, [{ images: { carried: 0, bytes: 7 } }])
})

t.test('an image that nobody can pull but the kubelet does not undo an exchange', async (t) => {
  const names = ['agent', 'pause', 'private/app', 'slow/app', 'late/app']
  const change = changeOf({ from: dockerSide, to: containerdSide, states, previous: 'disable' }, { images: { names } })
  let nowMs = 0
  const pulled: string[] = []
  const context = (missing: string) => ({
    change,
    clock: { monotonicMs: () => nowMs },
    limit: { untilMs: 100_000, signal: new AbortController().signal },
    runtime: {
      pullMissing: async (_: string, name: string, { untilMs }: { untilMs: number }) => {
        pulled.push(name)
        if (name === missing) throw new Error('authentication required')
        if (name === 'slow/app') nowMs = untilMs
      },
    },
    found: (finding: Finding) => {
      work = found(work, finding)
    },
  })
  const order: Order = { permit: 'Switch', revision: 'r', attempt: 1 }
  const at = { boot: 'b', monotonicMs: 0, wall: '2026-01-01T00:00:00Z' }
  const message = 'Images are not carried over (no ctr): they are pulled from their registries.'
  const shown = { images: { carried: 0, bytes: 0, message } }
  let work = record(undefined, { type: 'open', at, id: 'one', order, change, shown })!
  await steps['import-images'].apply(context('private/app') as unknown as StepContext)
  t.strictSame(pulled, ['agent', 'pause', 'private/app', 'slow/app'])
  t.equal(nowMs, 50_000, 'the proof has half of the time')
  t.strictSame(answerOf(work, at).images, {
    carried: 0,
    bytes: 0,
    message: `${message} The kubelet pulls what is missing: private/app (authentication required), late/app (there was no time left).`,
  })
  await t.rejects(steps['import-images'].apply(context('agent') as unknown as StepContext), /authentication required/)
  work = found(work, { images: { bytes: 7, message: 'x'.repeat(2000) } })
  t.match(answerOf(work, at).images, { carried: 0, bytes: 7 })
  t.equal(answerOf(work, at).images?.message?.length, 1024)
})

t.test('an engine that is kept for others is not touched', async (t) => {
  const kept = changeOf({ from: dockerSide, to: containerdSide, states, previous: 'keep' })
  t.strictSame(toStop(kept), ['containerd.service'])
  t.notOk(stepsOf(kept).includes('disable-units'))
  t.ok(kept.units.every(({ enabled }) => enabled.after === undefined))
})

t.test('the way back leads to units as they were', async (t) => {
  const order: Order = { permit: 'Commit', revision: 'r', attempt: 1, target: { engine: { name: 'containerd' } } }
  const { origin } = committed(freshMemory('m'), { id: 'one', order, change: away }, {})
  t.match(origin, { side: dockerSide, proof: expectation })
  const now = new Map(states)
  for (const name of dockerSide.units) now.set(name, { activeState: 'inactive', enabled: 'disabled' })
  const back = changeOf({
    from: containerdSide,
    to: origin!.side,
    states: now,
    previous: 'disable',
    origin: origin!,
  })
  t.strictSame(toStart(back), ['containerd.service', ...dockerSide.units])
  t.match(
    back.units.filter(({ name }) => dockerSide.units.includes(name)).map(({ enabled }) => enabled.after),
    ['enabled', 'enabled', 'enabled', 'enabled'],
  )
  t.equal(back.units.find(({ name }) => name === 'containerd.service')?.enabled.after, undefined)
  const fresh = new Map(states).set('containerd.service', { activeState: 'inactive', enabled: '' })
  const installed = changeOf({ from: dockerSide, to: containerdSide, states: fresh, previous: 'disable' })
  const memory = committed(freshMemory('m'), { id: 'one', order, change: installed }, {})
  const gone = unitChanges({
    from: containerdSide,
    to: dockerSide,
    states: new Map(now).set('containerd.service', running),
    previous: 'disable',
    origin: memory.origin!,
  })
  t.match(
    gone.find(({ name }) => name === 'containerd.service'),
    { enabled: { after: 'disabled' }, runs: { after: false } },
    'a unit that was not there starts no more',
  )
})

const file = (path: string, text?: string): FileFound => ({
  path,
  bytes: text === undefined ? undefined : Buffer.from(text),
})
const kubeletConfig = '/var/lib/kubelet/config.yaml'
const endpoint = 'containerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n'

function node(): Observation & { readonly kubelet: NonNullable<Observation['kubelet']> } {
  return {
    observed: {
      engine: { name: 'docker', version: '26.1.5' },
      cgroup: { version: 'v1', engineDriver: 'systemd', kubeletDriver: 'systemd' },
      sandboxImage: 'mirror/pause:3.10',
    },
    machineID: 'm',
    bootID: 'b',
    kubelet: {
      unit: 'kubelet.service',
      version: '1.36.3',
      unitFiles: [],
      instanceConfig: undefined,
      configFile: file(kubeletConfig, `cgroupDriver: systemd\n${endpoint}`),
      dropIns: [],
      environmentFiles: [],
      configuredDriver: 'systemd',
      endpoint: dockerSide.endpoint,
      healthz: { address: '127.0.0.1', port: 10248 },
    },
    engine: {
      engine: docker,
      found: {
        observed: { engine: { name: 'docker', version: '26.1.5' } },
        configFiles: [file('/etc/docker/daemon.json')],
        ociRuntimes: [],
        searchPath: ['/usr/bin'],
      },
    },
  }
}

const to: PlanInput['to'] = {
  engine: containerd,
  found: {
    observed: { engine: { name: 'containerd', version: '2.3.7', socket: '/run/containerd/containerd.sock' } },
    configFiles: [file('/etc/containerd/config.toml', 'version = 3\n')],
    ociRuntimes: [],
    searchPath: ['/usr/bin'],
  },
}
const target: Target = { engine: { name: 'containerd' } }

function inputOf(more: Partial<PlanInput> = {}): PlanInput {
  return {
    observation: node(),
    to,
    target,
    heritage: { engine: 'docker', cgroupDriver: 'systemd', sandboxImage: 'mirror/pause:3.10' },
    pasts: new Map(),
    files: new Map([['/etc/crictl.yaml', Buffer.from('runtime-endpoint: unix:///run/cri-dockerd.sock\n')]]),
    networks: [],
    restoresPackages: false,
    strangers: [],
    ...more,
  }
}

t.test('a node goes from Docker to containerd, and takes along what the target leaves open', async (t) => {
  const plan = planNode(inputOf())
  if (isRefusal(plan)) throw new Error(plan.message)
  t.equal(plan.action, 'DrainSwitch')
  const after = new Map(plan.edits.map(({ path, after }) => [path, `${after}`]))
  t.match(after.get('/etc/containerd/config.toml'), /SystemdCgroup = true/)
  t.match(after.get('/etc/containerd/config.toml'), /mirror\/pause:3\.10/)
  t.match(after.get(kubeletConfig), /containerRuntimeEndpoint: unix:\/\/\/run\/containerd\/containerd\.sock/)
  t.match(after.get('/etc/crictl.yaml'), /runtime-endpoint: unix:\/\/\/run\/containerd\/containerd\.sock/)
  const pasts: Pasts = new Map(plan.edits.map(({ path, original, after }) => [path, { original, written: after }]))
  const files = new Map(plan.edits.map(({ path, after }) => [path, after]))
  const moved = { ...node(), observed: { ...node().observed, engine: { name: 'containerd' } }, engine: to! }
  const back = planNode(inputOf({ observation: moved, to: node().engine!, target: undefined, pasts, files }))
  if (isRefusal(back)) throw new Error(back.message)
  t.equal(back.action, 'DrainSwitch')
  t.strictSame(
    back.edits.map(({ path, after }) => [path, `${after}`]),
    plan.edits.map(({ path, before }) => [path, `${before}`]),
    'every file comes back',
  )
})

t.test('containers of others are asked about before anything is touched', async (t) => {
  const strangers = ['jenkins', 'nginx']
  t.match(planNode(inputOf({ strangers })), {
    reason: 'EngineInUse',
    message: /docker .* \(jenkins, nginx\): write migration\.previousEngine: keep/,
  })
  const previous = (previousEngine: 'keep' | 'disable') =>
    planNode(inputOf({ strangers, target: { ...target, migration: { previousEngine } } }))
  t.match(previous('disable'), { action: 'DrainSwitch', notes: [/stop with docker: jenkins, nginx/] })
  t.match(previous('keep'), { action: 'DrainSwitch', notes: [] })
  const { engine: _, ...rest } = node()
  const vacant = {
    ...rest,
    engine: undefined,
    isVacant: true,
    refusal: { reason: 'EngineUnknown', message: 'x' },
  } as const
  t.match(planNode(inputOf({ observation: vacant })), { action: 'DrainSwitch' }, 'a node without any engine')
  t.match(planNode(inputOf({ observation: vacant, target: undefined })), { reason: 'EngineUnknown' })
})

t.test('an engine in place', async (t) => {
  const here = { ...node(), observed: { engine: { name: 'containerd', version: '2.3.7' } }, engine: to! }
  const dropIn = {
    path: '/etc/systemd/system/containerd.service.d/90-drydock.conf',
    before: undefined,
    original: undefined,
  }
  const staged = (version: string) => ({
    ...to!,
    staged: { program: '/x', version, searchPath: [], files: [{ ...dropIn, after: Buffer.from(version) }] },
  })
  const upgrade = (version: string, asked = version) =>
    planNode(
      inputOf({
        observation: here,
        heritage: { engine: 'containerd', cgroupDriver: 'systemd', sandboxImage: undefined },
        to: staged(version),
        target: { engine: { name: 'containerd', version: asked } },
      }),
    )
  t.match(upgrade('2.4.0'), { action: 'Restart', edits: [{ path: dropIn.path }] }, 'pods stay with a newer one')
  t.match(upgrade('2.2.9'), { action: 'DrainRestart' }, 'and not with an older one')
  t.match(upgrade('2.4.0', '2.5'), { reason: 'EngineVersionDiffers', message: /correct spec\.engine\.source/ })
  t.match(planNode(inputOf({ observation: here, to: undefined, target: { engine: { name: 'cri-o' } } })), {
    reason: 'EngineDiffers',
    message: /runs containerd, and cri-o is not on it: write spec\.engine\.source/,
  })
  t.match(planNode(inputOf({ to: undefined, target: undefined })), { reason: 'EngineGone' })
})

t.test('the pods that an upgrade found go on when it is undone, whatever the clock says', async (t) => {
  const newer = changeOf({
    from: { ...containerdSide, version: '1.7.24' },
    to: { ...containerdSide, version: '2.3.7' },
    states,
    previous: 'disable',
  })
  const change: Change = { ...newer, action: 'Restart' }
  let pods = ['before', 'also before']
  const removed: (readonly string[] | undefined)[] = []
  const told: Finding[] = []
  const context = (findings: Findings, kubelet = 'active', list = async () => pods) =>
    ({
      change,
      findings,
      found: (finding: Finding) => told.push(finding),
      clock: { monotonicMs: () => 0, sleep: async () => {} },
      limit: { untilMs: 1, signal: new AbortController().signal },
      host: {
        unit: async (name: string) => ({ activeState: name === 'kubelet.service' ? kubelet : 'active' }),
        stopUnit: async () => {},
      },
      runtime: {
        pods: list,
        removePods: async (_: string, _limit: object, kept?: readonly string[]) => void removed.push(kept),
      },
    }) as unknown as StepContext
  await steps['stop-kubelet'].apply(context({ podsRemoved: 0 }))
  await steps['stop-kubelet'].apply(context({ podsRemoved: 0 }, 'inactive'))
  t.strictSame(told, [{ kept: pods }, { kept: pods }], 'a crash does not forget them')
  const findings = { podsRemoved: 0, kept: pods }
  pods = ['before', 'made since']
  await steps['stop-kubelet'].apply(context(findings))
  t.equal(told.length, 2, 'what the newer engine has made is never among them')
  await steps['stop-kubelet'].apply(context({ podsRemoved: 0 }, 'active', () => Promise.reject(new Error('down'))))
  t.equal(told.length, 2, 'an engine that does not answer is upgraded all the same')
  await steps['start-engine'].revert!(context(findings))
  await steps['start-engine'].revert!(context({ podsRemoved: 0 }))
  t.strictSame(removed, [['before', 'also before']], 'and where nothing is known, nothing was started')
})

t.test('versions', async (t) => {
  for (const [version, than, older] of [
    ['1.7.24~ds1', '2.3.7', true],
    ['2.3.7', '1.7.24~ds1', false],
    ['v2.3', '2.3.0', false],
    ['2.10.0', '2.9.1', false],
    ['devel', '2.0.0', false],
    [undefined, '2.0.0', false],
  ] as const)
    t.equal(isOlder(version, than), older, `${version} and ${than}`)
})

t.test(
  'the way back to an engine that the distribution has upgraded meanwhile leads to what is there now',
  async (t) => {
    const path = '/etc/containerd/config.toml'
    const packages = { manager: 'apt', install: [], former: [], held: [], brought: [] } as const
    const dropIn = '/etc/systemd/system/containerd.service.d/90-drydock.conf'
    const sides = (more: object, edited = path, name: 'containerd' | 'docker' = 'containerd') => {
      const engine = { ...to!, found: { ...to!.found, observed: { engine: { name, version: '1.7.27' } } } }
      const origin = { side: { ...containerdSide, name, version: '1.7.24' }, units: [] }
      return sidesOf(
        {
          order: { permit: 'Switch', revision: 'original', attempt: 2 },
          memory: { ...freshMemory('m'), origin, ...more },
          observation: { ...node(), engine },
          to: engine,
          plan: {
            edits: [{ path: edited, before: undefined, after: undefined, original: undefined }],
            action: 'Restart',
            changes: [],
            notes: [],
            target: undefined,
          },
        },
        new Map(),
      )
    }
    const { from, to: back } = sides({})
    t.match([from.version, back.version], ['1.7.27', '1.7.27'])
    const proven = { passed: true, engineVersion: '1.7.27' }
    const context = {
      change: { ...away, from, to: back },
      host: { unit: async () => ({ invocationId: '1' }) },
      runtime: { ready: async () => {}, prove: async () => proven },
      found: () => {},
    }
    await t.resolves(steps.prove.apply(context as unknown as StepContext))
    t.equal(sides({ packages }).to.version, '1.7.24', 'packages are put back')
    t.equal(sides({}, dropIn).to.version, '1.7.24', 'the program of an archive is left')
    t.equal(sides({}, path, 'docker').to.version, '1.7.24', 'another engine')
  },
)
