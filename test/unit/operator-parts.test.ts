import t from 'tap'
import type { MigrationReport, NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { createValidator } from '../../crds/validate.ts'
import type { Clock } from '../../kube/clock.ts'
import { KubeError } from '../../kube/errors.ts'
import { silentLog } from '../../kube/log.ts'
import { noMetrics } from '../../kube/metrics.ts'
import type { ReflectorState } from '../../kube/reflector.ts'
import type { KubeObject } from '../../kube/resource.ts'
import { daemonSetOf, manifestAnnotation } from '../../operator/controllers/agent/daemonset.ts'
import { reconcileAgent } from '../../operator/controllers/agent/reconcile.ts'
import type { DrainRequest } from '../../operator/controllers/drain/drain.ts'
import { Drainer } from '../../operator/controllers/drain/drainer.ts'
import { projectReport } from '../../operator/controllers/migrationreport/view.ts'
import { ReportWriter } from '../../operator/controllers/migrationreport/write.ts'
import { NodeRuntimeWriter } from '../../operator/controllers/noderuntime/write.ts'
import { planRuntimeClasses } from '../../operator/controllers/runtimeclass/plan.ts'
import { type Executor, execute } from '../../operator/controllers/runtimeprofile/execute.ts'
import { GateTimer } from '../../operator/controllers/runtimeprofile/gate-timer.ts'
import {
  ProfileController,
  type ProfileControllerOptions,
} from '../../operator/controllers/runtimeprofile/reconcile.ts'
import { Records, type RecordsOptions } from '../../operator/controllers/runtimeprofile/records.ts'
import { statusOf } from '../../operator/controllers/runtimeprofile/status.ts'
import { WindowClock } from '../../operator/controllers/runtimeprofile/window-clock.ts'
import { Store } from '../../operator/controllers/store.ts'
import { parseOptions } from '../../operator/options.ts'
import { formatCordon, parseCordon } from '../../operator/rollout/marks.ts'
import type { Decision, Plan } from '../../operator/rollout/types.ts'
import { nodeNews } from '../../operator/triggers.ts'
import { uninstall } from '../../operator/uninstall.ts'
import { merge, type Operation, patchStatus } from '../simulation/fleet/api.ts'
import { SimulatedCluster, spec } from '../simulation/rollout-cluster.ts'

t.test('a store shows our own write until the watch has caught up', async (t) => {
  const object = (resourceVersion: string, value = ''): KubeObject => ({
    metadata: { name: 'a', resourceVersion, labels: { value } },
  })
  const seen = new Map<string, KubeObject>([['a', object('9')]])
  const reflector = {
    get: (name: string) => seen.get(name),
    list: () => [...seen.values()],
    state: { phase: 'watch', failures: 0, resourceVersion: '9' } as ReflectorState,
  }
  const store = new Store<KubeObject>(reflector, (one) => one)
  store.remember(object('11', 'ours'))
  t.equal(store.get('a')?.metadata.labels?.['value'], 'ours')
  seen.set('a', object('10'))
  t.equal(store.list()[0]?.metadata.labels?.['value'], 'ours', 'an older event of somebody else')
  seen.set('a', object('12', 'theirs'))
  t.equal(store.get('a')?.metadata.labels?.['value'], 'theirs')
  seen.delete('a')
  t.equal(store.get('a'), undefined)
  store.remember(object('13'))
  store.forget('a')
  t.same(store.list(), [], 'deleted')
  store.remember(object('14'))
  t.equal(store.get('a')?.metadata.resourceVersion, '14', 'the watch has not come so far')
  reflector.state = { phase: 'list', failures: 0 }
  t.equal(store.get('a')?.metadata.resourceVersion, '14', 'nobody knows how far the cache is')
  reflector.state = { phase: 'watch', failures: 0, resourceVersion: '15' }
  t.equal(store.get('a'), undefined, 'its end was seen before the answer to the last write')
  t.same(store.list(), [])
})

t.test('a store of a namespace finds what was seen there, once its own write was', async (t) => {
  const object: KubeObject = { metadata: { name: 'a', namespace: 'n', resourceVersion: '11' } }
  const reflector = {
    get: (name: string, namespace?: string) => (name === 'a' && namespace === 'n' ? object : undefined),
    list: () => [object],
    state: { phase: 'watch', failures: 0, resourceVersion: '11' } as ReflectorState,
  }
  const store = new Store<KubeObject>(reflector, (one) => one, 'n')
  store.remember(object)
  t.same(store.list(), [object])
  t.same(store.list(), [object])
})

t.test('the command line', async (t) => {
  const parse = (...args: string[]) =>
    parseOptions(args, { env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, hostname: 'h', pid: 1 })
  t.match(parse(), { command: 'run', namespace: 'drydock-system', port: 8080, server: { host: '10.0.0.1', port: 443 } })
  t.match(parse('run', '--agent-pull-secret=a', '--agent-pull-secret=b', '--identity=pod'), {
    agentPullSecrets: ['a', 'b'],
    identity: /^pod_1_/,
  })
  t.match(parse('uninstall', '--timeout=9'), { command: 'uninstall', timeoutSeconds: 9 })
  t.same(parse('--help'), { command: 'help' })
  const refused: [string[], RegExp][] = [
    [['walk'], /unknown command walk: write run or uninstall/],
    [['run', 'more'], /unexpected argument more/],
    [['--log-level=loud'], /--log-level loud: write debug, info, warn, error/],
    [['--port=-1'], /--port -1: write a number of at least 0/],
    [['--agent-manifest=x'], /--agent-manifest needs --agent-image/],
    [['--agent-pull-policy=Sometimes'], /write Always, IfNotPresent, Never/],
    [['--nonsense'], /Unknown option/],
  ]
  for (const [args, message] of refused) t.throws(() => parse(...args), message)
})

t.test('a cordon mark survives its way through an annotation', async (t) => {
  const mark = { profile: 'a.b', revision: 'r', attempt: 3, since: '2026-01-01T00:00:00.000Z' }
  t.same(parseCordon(formatCordon(mark)), mark)
  t.equal(parseCordon(undefined), undefined)
  t.match(parseCordon('damaged'), { profile: 'damaged', attempt: 0 }, 'still ours')
})

t.test('the agent’s DaemonSet', async (t) => {
  const container = {
    name: 'c',
    image: 'X',
    env: [
      { name: 'AGENT_IMAGE', value: 'X' },
      { name: 'OTHER', value: 'X' },
    ],
  }
  const manifest = {
    kind: 'DaemonSet',
    metadata: { name: 'drydock-agent' },
    spec: { template: { spec: { containers: [container], initContainers: [{ name: 'i' }] } } },
  }
  const settings = { namespace: 'ns', image: 'i:1', pullPolicy: 'Always', pullSecrets: [] } as const
  const made = daemonSetOf(manifest, settings)
  t.match(made, {
    metadata: { namespace: 'ns' },
    spec: { template: { spec: { initContainers: [{ image: 'i:1', imagePullPolicy: 'Always' }] } } },
  })
  t.same(
    made.spec?.template?.spec?.containers?.[0]?.env?.map(({ value }) => value),
    ['i:1', 'X'],
  )
  const digest = (image: string) =>
    daemonSetOf(manifest, { ...settings, image }).metadata.annotations?.[manifestAnnotation]
  t.equal(digest('i:1'), digest('i:1'))
  t.not(digest('i:1'), digest('i:2'))
  t.throws(() => daemonSetOf({ kind: 'Pod' }, settings), /holds no DaemonSet/)
})

const profile = (name: string, handlers: RuntimeProfile['spec']['handlers'] = [], deleted = false): RuntimeProfile => ({
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'RuntimeProfile',
  metadata: { name, generation: 1, ...(deleted && { deletionTimestamp: 'now' }) },
  spec: { nodeSelector: {}, engine: { name: 'containerd' }, handlers },
})

t.test('RuntimeClasses: what is created, kept, replaced and left alone', async (t) => {
  const ours = { 'app.kubernetes.io/managed-by': 'drydock' }
  const scheduling = { nodeSelector: { 'handler.drydock.dev/crun': 'true' } }
  const existing = (labels: Record<string, string>, handler = 'crun') => [
    { metadata: { name: 'crun', labels }, handler, scheduling },
  ]
  const wants = profile('p', [{ name: 'crun', runtimeClass: {} }, { name: 'runc' }])
  const names = (plan: ReturnType<typeof planRuntimeClasses>) => ({
    apply: plan.apply.map(({ metadata }) => metadata.name),
    remove: plan.remove.map(({ metadata }) => metadata.name),
    problems: plan.problems.map(({ reason }) => reason),
  })
  const none = { apply: [], remove: [], problems: [] }
  t.same(names(planRuntimeClasses([wants], [])), { ...none, apply: ['crun'] })
  t.same(names(planRuntimeClasses([wants], existing(ours))), none)
  t.same(names(planRuntimeClasses([wants], existing(ours, 'other'))), { ...none, apply: ['crun'], remove: ['crun'] })
  t.same(names(planRuntimeClasses([wants], existing({}, 'other'))), { ...none, problems: ['RuntimeClassForeign'] })
  t.same(names(planRuntimeClasses([wants], existing({}))), none, 'somebody else’s with the same handler will do')
  t.same(names(planRuntimeClasses([profile('p')], existing(ours))), { ...none, remove: ['crun'] })
  t.same(names(planRuntimeClasses([profile('p', wants.spec.handlers, true)], existing(ours))), {
    ...none,
    remove: ['crun'],
  })
  t.same(names(planRuntimeClasses([], existing({}))), none, 'never touched')
  const other = profile('q', [{ name: 'runc', runtimeClass: { name: 'crun' } }])
  t.same(names(planRuntimeClasses([wants, other], [])), {
    ...none,
    apply: ['crun'],
    problems: ['RuntimeClassConflict'],
  })
})

t.test('only time in which the Node could be read counts against a commit', async (t) => {
  let nowMs = 0
  const clock: Clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs, sleep: async () => {} }
  const gate = new GateTimer(clock)
  const runtime = (attempt: number): NodeRuntime => ({
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'NodeRuntime',
    metadata: { name: 'a', uid: 'u' },
    spec: { permit: 'Switch', revision: 'r', attempt },
  })
  t.ok(gate.isDue(runtime(1)))
  gate.looked(runtime(1))
  t.notOk(gate.isDue(runtime(1)))
  nowMs += 5_000
  t.ok(gate.isDue(runtime(1)))
  gate.looked(runtime(1))
  t.equal(gate.milliseconds(runtime(1)), 5_000)
  nowMs += 3_600_000
  gate.looked(runtime(1))
  t.equal(gate.milliseconds(runtime(1)), 15_000, 'an hour without an API server is no hour')
  t.equal(gate.milliseconds(runtime(2)), 0, 'another attempt begins anew')
})

t.test('heartbeats are no news, except to a commit that waits for one', async (t) => {
  const node = (heartbeat: string, status = 'True') => ({
    metadata: { name: 'a', resourceVersion: heartbeat },
    status: { conditions: [{ type: 'Ready', status, lastHeartbeatTime: heartbeat }] },
  })
  let isProven = false
  const isNews = nodeNews(() =>
    isProven
      ? ({
          metadata: { name: 'a' },
          spec: { revision: 'r', attempt: 1 },
          status: { revision: 'r', attempt: 1, phase: 'Proven' },
        } as NodeRuntime)
      : undefined,
  )
  t.ok(isNews('a', node('1')))
  t.notOk(isNews('a', node('2')))
  t.ok(isNews('a', node('3', 'False')))
  isProven = true
  isNews('a', node('4'))
  t.ok(isNews('a', node('5')))
  t.ok(isNews('a', undefined))
})

t.test('the status follows kstatus and is the same object when nothing changed', async (t) => {
  const counts = { selected: 1, ready: 1, updating: 0, waiting: 0, failed: 0, unavailable: 0 }
  const plan: Plan = {
    revision: 'r',
    decisions: [],
    progress: 'Ready',
    why: { reason: 'Converged', message: 'all' },
    counts,
    report: 'p-r',
    lookAgainMilliseconds: undefined,
    questions: [],
  }
  const given = profile('p')
  const first = statusOf(given, plan, new Date('2026-01-01T00:00:00Z'))
  const value = (type: string, status = first) => status.conditions?.find((one) => one.type === type)?.status
  t.same([value('Ready'), value('Reconciling'), value('Stalled')], ['True', 'False', 'False'])
  const settled = { ...given, status: first }
  t.equal(statusOf(settled, plan, new Date('2026-01-02T00:00:00Z')), first)
  const stalled = statusOf(
    settled,
    { ...plan, progress: 'Stalled', why: { reason: 'X', message: 'y' } },
    new Date('2026-01-02T00:00:00Z'),
  )
  t.same(
    [value('Ready', stalled), value('Reconciling', stalled), value('Stalled', stalled)],
    ['False', 'False', 'True'],
  )
  t.match(stalled.conditions?.find(({ type }) => type === 'Reconciling')?.lastTransitionTime, '2026-01-01T00:00:00Z')
})

t.test('the status quotes what a node says as far as it may be long', async (t) => {
  const sim = new SimulatedCluster()
  sim.addNode('a')
  sim.apply('p', spec())
  sim.refuseNext.set('a', { phase: 'Refused', reason: 'Invalid', message: 'x'.repeat(4096) })
  await sim.settle()
  const refused = sim.profiles.get('p')!
  const status = statusOf(refused, sim.plan('p')!, sim.now)
  t.match(status.message, /^The rollout stopped: 1 of 1 allowed failures \(a\)\. a: x+…$/)
  t.same(createValidator()({ ...refused, status }), [])
})

t.test('the agent is not replaced while a node is in the middle of a change', async (t) => {
  const wanted = { metadata: { name: 'agent', annotations: { 'drydock.dev/manifest': 'new' } } }
  const old = { metadata: { name: 'agent', annotations: { 'drydock.dev/manifest': 'old' } } }
  const runtime = (phase: 'Switching' | 'Committed'): NodeRuntime => ({
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'NodeRuntime',
    metadata: { name: 'worker-1' },
    spec: { permit: 'Switch', revision: 'a', attempt: 1 },
    status: { phase, revision: 'a', attempt: 1 },
  })
  const applied = async (found: object[], runtimes: NodeRuntime[]): Promise<number> => {
    let writes = 0
    await reconcileAgent({
      client: {
        apply: async (_, object) => {
          writes++
          return object as never
        },
      },
      wanted,
      daemonSets: { list: () => found as never, remember: (object) => object },
      runtimes: { list: () => runtimes },
    })
    return writes
  }
  t.equal(await applied([old], [runtime('Switching')]), 0)
  t.equal(await applied([old], [runtime('Committed')]), 1)
  t.equal(await applied([], [runtime('Switching')]), 1, 'a missing agent is what the node may be waiting for')
  t.equal(await applied([wanted], [runtime('Committed')]), 0)
})

t.test('a window is worked out once for as long as it stands', async (t) => {
  let now = new Date('2026-01-01T12:00:00Z')
  const windows = new WindowClock({ now: () => now })
  const profile = (window?: object) =>
    ({ metadata: { name: 'p' }, spec: { rollout: { ...(window && { window }) } } }) as unknown as RuntimeProfile
  const night = { cron: '0 1 * * *', duration: '4h' }
  const at = (time: string, window: object | undefined = night) => {
    now = new Date(time)
    return windows.opening(profile(window))
  }
  const closed = at('2026-01-01T12:00:00Z')
  t.match(closed, { is: 'closed', opens: '2026-01-02 01:00 (UTC)' })
  t.equal(at('2026-01-02T00:59:59Z'), closed, 'the same answer until it opens')
  const open = at('2026-01-02T01:00:00Z')
  t.match(open, { is: 'open', until: new Date('2026-01-02T05:00:00Z') })
  t.equal(at('2026-01-02T04:59:59Z'), open)
  t.match(at('2026-01-02T05:00:00Z'), { is: 'closed', opens: '2026-01-03 01:00 (UTC)' })
  t.match(at('2026-01-02T02:00:00Z'), { is: 'open' }, 'the clock was set back')
  t.match(at('2026-01-02T02:00:00Z', { ...night, duration: '30m' }), { is: 'closed' }, 'another window')
  t.match(at('2026-01-02T02:00:00Z', { ...night, cron: 'never' }), { is: 'invalid' })
  t.match(at('2026-01-02T02:00:00Z'), { is: 'open' }, 'put right')
  t.equal(windows.opening(profile()), undefined)
})

t.test('nodes under way do not wait until every node of the fleet has its order', async (t) => {
  const names = Array.from({ length: 200 }, (_, index) => `node-${index}`)
  const written: string[] = []
  const write = (kind: string) => async (runtime: NodeRuntime) => {
    written.push(`${kind} ${runtime.metadata.name}`)
    return runtime
  }
  const executor = {
    writer: { order: write('order'), permitCommit: write('commit') },
    stores: { runtimes: { remember: () => undefined } },
    records: { tasks: () => [] },
    metrics: { add: () => undefined },
  } as unknown as Executor
  const runtimes = new Map(names.map((name) => [name, { metadata: { name } } as NodeRuntime]))
  const order = (node: string): Decision => ({
    kind: 'Order',
    node,
    order: { revision: 'r', attempt: 1, target: undefined, report: 'p-r' },
  })
  const commit = (node: string): Decision => ({
    kind: 'PermitCommit',
    node,
    turn: { revision: 'q', attempt: 1, startTime: '' },
  })
  const carryOut = (...decisions: Decision[]): Promise<number> => {
    const profile = { metadata: { name: 'p' }, spec: {} } as RuntimeProfile
    return execute(executor, { profile, decisions, seen: { nodes: new Map(), runtimes } }).then(({ writes }) => writes)
  }
  t.equal(await carryOut(...names.slice(1).map(order), commit('node-0')), 65)
  t.equal(written[0], 'commit node-0')
  t.equal(written.length, 65, 'the other orders come with the next plans')
  t.equal(await carryOut(...names.slice(65).map(commit)), 135, 'what somebody waits for is written at once')
  t.equal(await carryOut({ kind: 'Drain', node: 'node-1' }), 0, 'a drain is no write')
})

/** The reports of a simulated cluster behind an API server that holds them to their schema, written by the real writer. */
class Reports {
  readonly sim: SimulatedCluster
  readonly #records: Records
  readonly #validate = createValidator()
  #version = 1

  constructor(sim: SimulatedCluster) {
    this.sim = sim
    const clock: Clock = { now: () => sim.now, monotonicMs: () => 0, sleep: async () => {} }
    const client = {
      get: async ({ plural }: { plural: string }, { name }: { name: string }) =>
        plural === 'noderuntimes' ? sim.runtimes.get(name) : sim.reports.get(name),
      patch: async (_: unknown, { name }: { name: string }, operations: Operation[]) => this.#patch(name, operations),
      delete: async () => true,
    } as unknown as ConstructorParameters<typeof ReportWriter>[0]['client']
    const reports = {
      get: (name: string) => sim.reports.has(name) && projectReport(sim.reports.get(name)!),
      list: () => [...sim.reports.values()].map((report) => projectReport(report)),
      remember: () => undefined,
      forget: () => undefined,
    }
    const runtimes = { get: (name: string) => sim.runtimes.get(name), list: () => [...sim.runtimes.values()] }
    const stores = { reports, runtimes } as unknown as RecordsOptions['stores']
    const writer = new ReportWriter({ client, reports: stores.reports, clock })
    this.#records = new Records({ client, stores, writer, events: { record: () => undefined }, clock })
  }

  get only(): MigrationReport['status'] {
    return [...this.sim.reports.values()][0]?.status
  }

  /** One plan, with its reports written as the operator writes them. */
  async round(): Promise<void> {
    const profile = this.sim.profiles.get('p')
    if (!profile) return
    const { decisions } = this.sim.plan('p')!
    const isRecord = ({ kind }: Decision): boolean => kind === 'RecordNode' || kind === 'FinishReport'
    for (const decision of decisions) if (!isRecord(decision)) await this.sim.carryOut('p', decision)
    await this.write(decisions.filter(isRecord))
  }

  async write(decisions: readonly Decision[]): Promise<void> {
    for (const task of this.#records.tasks(decisions, this.sim.profiles.get('p')!)) await task()
  }

  /** Somebody else writes between our reading and our write. */
  readonly raced = new Set<string>()

  #patch(name: string, operations: Operation[]): MigrationReport {
    const report = structuredClone(this.sim.reports.get(name)!)
    if (this.raced.delete(name)) {
      report.metadata.resourceVersion = `${++this.#version}`
      this.sim.reports.set(name, report)
    }
    const isOld = operations.some(({ op, value }) => op === 'test' && value !== report.metadata.resourceVersion)
    const status = isOld ? {} : patchStatus(report as never, operations)
    const next = { ...report, metadata: { ...report.metadata, resourceVersion: `${++this.#version}` }, status }
    const message = isOld ? 'the version differs' : this.#validate(next)[0]?.message
    if (message) throw new KubeError('PATCH', { status: 422, body: { kind: 'Status', reason: 'Invalid', message } })
    this.sim.reports.set(name, next as MigrationReport)
    return next as MigrationReport
  }
}

const many = (count: number): SimulatedCluster => {
  const sim = new SimulatedCluster()
  for (let index = 0; index < count; index++) sim.addNode(`n${index}`)
  sim.apply('p', spec({ rollout: { maxUnavailable: '10%', failureBudget: 1000 } }))
  return sim
}

t.test('more nodes than a report lists may end at once: it fills up, and holds no order back', async (t) => {
  const sim = many(300)
  const reports = new Reports(sim)
  for (const name of sim.nodes.keys()) sim.fates.set(name, 'Refused')
  for (let step = 0; step < 4; step++) await reports.round()
  for (let first = 0; first < 300; first += 50) {
    for (let index = first; index < first + 50; index++) sim.agentStep(`n${index}`)
    for (let step = 0; step < 3; step++) await reports.round()
  }
  t.match(reports.only, { phase: 'Failed', failed: 300, omittedNodes: 44 })
  t.equal(reports.only?.nodes?.length, 256)
  sim.fates.clear()
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs', rollout: { failureBudget: 1000 } }))
  for (let step = 0; step < 3; step++) await reports.round()
  const { revision } = sim.plan('p')!
  t.same(
    [...sim.runtimes.values()].filter((runtime) => runtime.spec?.revision !== revision),
    [],
  )
  sim.remove('p')
  for (let step = 0; step < 20; step++) await reports.round()
  t.notOk(sim.profiles.has('p'))
})

t.test('a full report follows the later attempts of the nodes that it lists', async (t) => {
  const sim = many(257)
  const reports = new Reports(sim)
  for (const name of sim.nodes.keys()) sim.fates.set(name, name === 'n256' ? 'Silent' : 'Refused')
  const settle = async () => {
    for (let step = 0; step < 8; step++) {
      await reports.round()
      for (const name of sim.nodes.keys()) sim.agentStep(name)
    }
  }
  await settle()
  t.match(reports.only, { phase: 'Running', failed: 256, nodes: { length: 256 } })
  sim.fates.clear()
  sim.fates.set('n256', 'Silent')
  for (const name of sim.nodes.keys()) sim.actions.set(name, 'None')
  sim.retry('p', 'again')
  for (let times = 0; times < 30; times++) await settle()
  t.match(reports.only, { phase: 'Running', changed: 0, unchanged: 256, failed: 0 })
  sim.fates.clear()
  await settle()
  t.match(reports.only, { phase: 'Succeeded', unchanged: 257, omittedNodes: 1 })
})

t.test(
  'a report whose version was outdated is written with the next plan, one that is refused is an error',
  async (t) => {
    const sim = many(1)
    const reports = new Reports(sim)
    for (let step = 0; step < 4; step++) await reports.round()
    const [name = ''] = sim.reports.keys()
    const record = (reason: string): Decision => ({
      kind: 'RecordNode',
      report: name,
      node: 'n0',
      outcome: { result: 'Refused', why: { reason, message: 'no' } },
    })
    reports.raced.add(name)
    await reports.write([record('Raced')])
    t.equal(reports.only?.nodes, undefined, 'dropped')
    await reports.write([record('Fits')])
    t.match(reports.only?.nodes, [{ reason: 'Fits' }])
    await t.rejects(reports.write([record('x'.repeat(129))]), { name: 'KubeError' })
  },
)

/** No API server ever lists pods for it: its drains go on without a word. */
class SilentDrainer extends Drainer {
  readonly #drained: Set<string>

  constructor(clock: Clock, drained: Set<string>) {
    const silence = (): never => new Promise(() => {}) as never
    const client = { list: silence, watch: silence, evict: silence }
    super({ client, clock, log: silentLog, signal: new AbortController().signal, onProgress: () => {} })
    this.#drained = drained
  }

  override keep(profile: string, requests: readonly DrainRequest[]): void {
    this.#drained.clear()
    for (const { node } of requests) this.#drained.add(node)
    super.keep(profile, requests)
  }
}

/** The real controller of profiles over a simulated cluster; gives the nodes whose drains it keeps going. */
function controllerOver(sim: SimulatedCluster, refuse: (plural: string, name: string) => Error | undefined) {
  const objects: Readonly<Record<string, Map<string, unknown>>> = {
    nodes: sim.nodes,
    noderuntimes: sim.runtimes,
    runtimeprofiles: sim.profiles,
    migrationreports: sim.reports,
  }
  const write = async (plural: string, name: string, change: object): Promise<unknown> => {
    const refused = refuse(plural, name)
    if (refused) throw refused
    objects[plural]?.set(name, merge(objects[plural]?.get(name) as Record<string, unknown>, change as never))
    return objects[plural]?.get(name)
  }
  const named = (object: unknown): string => (object as KubeObject).metadata.name ?? ''
  const client = {
    get: async ({ plural }: { plural: string }, { name }: { name: string }) => objects[plural]?.get(name),
    create: ({ plural }: { plural: string }, object: object) => write(plural, named(object), object),
    apply: ({ plural }: { plural: string }, object: object) => write(plural, named(object), object),
    patch: ({ plural }: { plural: string }, { name }: { name: string }, change: object) => write(plural, name, change),
  }
  const store = (plural: string) => ({
    get: (name: string) => objects[plural]?.get(name),
    list: () => [...(objects[plural]?.values() ?? [])],
    remember: () => undefined,
    forget: () => undefined,
  })
  const stores = {
    profiles: store('runtimeprofiles'),
    nodes: store('nodes'),
    runtimes: store('noderuntimes'),
    reports: store('migrationreports'),
  }
  const drained = new Set<string>()
  const clock: Clock = { now: () => sim.now, monotonicMs: () => sim.now.getTime(), sleep: async () => {} }
  const controller = new ProfileController({
    client,
    stores,
    executor: {
      client,
      stores,
      writer: new NodeRuntimeWriter({ client: client as never, fence: 1, courierTimeoutSeconds: 60 }),
      records: { start: async () => undefined, tasks: () => [] },
      events: { record: () => undefined },
      metrics: noMetrics,
    },
    drainer: new SilentDrainer(clock, drained),
    gate: new GateTimer(clock),
    lookout: { ask: async () => true, gates: () => undefined, evictions: () => ({ freshMilliseconds: 1 }) },
    clock,
    metrics: noMetrics,
  } as unknown as ProfileControllerOptions)
  return { controller, drained }
}

t.test('a write that always fails hides nothing of the other nodes', async (t) => {
  const sim = new SimulatedCluster()
  for (const name of ['a', 'b', 'c']) sim.addNode(name)
  sim.apply('p', spec({ rollout: { maxUnavailable: 3 } }))
  const message = 'admission webhook "policy" denied the request: a is protected'
  const denied = new KubeError('PATCH nodes/a', { status: 403, body: { kind: 'Status', message } })
  const { controller, drained } = controllerOver(sim, (plural, name) =>
    plural === 'nodes' && name === 'a' ? denied : undefined,
  )
  const errors: unknown[] = []
  for (let minutes = 0; minutes < 5; minutes++) {
    await controller.reconcile('p').catch((error: unknown) => errors.push(error))
    for (const name of sim.nodes.keys()) sim.agentStep(name)
    sim.wait(1)
  }
  t.same([...drained], ['b', 'c'], 'their drains go on')
  t.equal(errors.at(-1), denied, 'and it is tried again')
  t.match(
    sim.profiles.get('p')?.status?.message,
    /^b is being drained \(and 1 more under way\)\. A request failed and is tried again: PATCH nodes\/a: .* a is protected$/,
  )
})

t.test(
  'uninstalling without a Lease gives orders that no agent takes for old ones, and claims nothing too early',
  async (t) => {
    const now = new Date('2026-11-21T22:00:00Z')
    const minutes = Math.floor(now.getTime() / 60_000)
    const runtime = (phase: 'Observed' | 'Removed') => ({
      metadata: { name: 'a', uid: 'u', resourceVersion: '1' },
      spec: { nodeUID: 'n', fence: minutes - 5, permit: 'Observe' },
      status: { phase },
    })
    const said = async (answers: boolean): Promise<{ lines: string[]; fence: number }> => {
      const lines: string[] = []
      let [ms, fence] = [0, 0]
      const node = { metadata: { name: 'a', uid: 'n' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
      const client = {
        get: async () => undefined,
        create: async (_: unknown, object: object) => object,
        apply: async (_: unknown, object: NodeRuntime) => {
          fence = object.spec?.fence ?? 0
        },
        list: async ({ plural }: { plural: string }) => ({
          items: { noderuntimes: [runtime(answers && fence ? 'Removed' : 'Observed')], nodes: [node] }[plural] ?? [],
        }),
        delete: async () => true,
      }
      await uninstall({
        client: client as never,
        clock: {
          now: () => now,
          monotonicMs: () => ms,
          sleep: async (more) => {
            ms += more
          },
        },
        namespace: 'd',
        identity: 'i',
        timeoutSeconds: 10,
        signal: new AbortController().signal,
        say: (line) => lines.push(line),
      })
      return { lines, fence }
    }
    const good = await said(true)
    t.equal(good.fence, minutes)
    t.equal(good.lines.at(-1), 'Drydock is off the nodes')
    const silent = await said(false)
    t.ok(silent.lines.includes('a gave no answer within 10 s'))
    t.match(silent.lines.at(-1), /^Drydock has left the cluster, but not the nodes a: /)
  },
)

t.test('time in which nobody drains a node does not count against its drain', async (t) => {
  const sim = new SimulatedCluster()
  sim.addNode('a')
  sim.apply('p', spec({ rollout: { drain: { timeout: '10m' } } }))
  const drainFor = async (minutes: number, { controller, drained } = controllerOver(sim, () => undefined)) => {
    for (let minute = 0; minute < minutes; minute++) {
      await controller.reconcile('p')
      sim.agentStep('a')
      sim.wait(1)
    }
    return [...drained]
  }
  t.same(await drainFor(8), ['a'])
  sim.wait(60)
  t.same(await drainFor(10), ['a'], 'another operator has its own ten minutes')
  const last = controllerOver(sim, () => undefined)
  t.same(await drainFor(10, last), ['a'])
  t.same(await drainFor(2, last), [])
  t.match(
    sim.profiles.get('p')?.status?.message,
    /the node was given back unchanged when rollout.drain.timeout was over/,
  )
})
