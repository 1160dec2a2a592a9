import t from 'tap'
import type { KubeClient } from '../../kube/client.ts'
import { microTime, systemClock } from '../../kube/clock.ts'
import { type ReconcileResult, runController } from '../../kube/controller.ts'
import { TerminalError } from '../../kube/errors.ts'
import { EventRecorder } from '../../kube/events.ts'
import { type Log, silentLog } from '../../kube/log.ts'
import { reconcileTotal, workqueueDepth } from '../../kube/metrics.ts'
import { pinoLog } from '../../kube/pino-log.ts'
import { prometheusMetrics } from '../../kube/prometheus.ts'
import { serve } from '../../kube/serve.ts'
import { WorkQueue } from '../../kube/workqueue.ts'
import { settle, VirtualTime } from '../support/virtual-clock.ts'

function givenController(reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>) {
  const time = new VirtualTime()
  const clock = time.host()
  const metrics = prometheusMetrics({ prefix: 'test_' })
  const queue = new WorkQueue({ name: 'q', clock, metrics })
  const stop = new AbortController()
  const logged: string[] = []
  const log: Log = { ...silentLog, with: () => log, error: (message) => void logged.push(message) }
  const options = { name: 'c', queue, reconcile, concurrency: 2, timeoutMs: 1_000, signal: stop.signal }
  const running = runController({ ...options, log, metrics, clock })
  return { time, queue, stop, running, logged, metrics }
}

t.test('what becomes of a key', async (t) => {
  const runs: string[] = []
  const { time, queue, stop, running, logged, metrics } = givenController(async (key) => {
    runs.push(key)
    if (key === 'fails') throw new Error('not yet')
    if (key === 'hopeless') throw new TerminalError('never')
    return key === 'later' ? { requeueAfterMs: 60_000 } : undefined
  })
  for (const key of ['fine', 'fails', 'hopeless', 'later']) queue.add(key)
  await time.advance(100)
  const count = (key: string): number => runs.filter((run) => run === key).length
  t.same(['fine', 'hopeless', 'later'].map(count), [1, 1, 1])
  t.equal(count('fails'), 5, 'at 0, 5, 15, 35 and 75 ms')
  t.equal(logged.filter((message) => message === 'reconcile failed for good').length, 1)
  await time.advance(60_000)
  t.equal(count('later'), 2)
  stop.abort()
  await running
  const text = await metrics.render()
  t.match(text, /test_reconcile_total\{controller="c",result="terminal_error"\} 1/)
  t.match(text, /test_reconcile_total\{controller="c",result="requeue_after"\} 2/)
  t.match(text, /test_reconcile_seconds_count\{controller="c"\} \d/)
  t.match(text, /test_workqueue_depth\{name="q"\} 0/)
})

t.test('work that takes too long is told so, and keeps its key to itself until it ends', async (t) => {
  let running = 0
  let most = 0
  const reasons: string[] = []
  const c = givenController(async (_key, signal) => {
    most = Math.max(most, ++running)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    reasons.push(String(signal.reason))
    await c.time.host().sleep(5_000)
    running--
    throw new Error('too late')
  })
  c.queue.add('slow')
  await c.time.advance(1_000)
  t.match(reasons, [/c gave up on slow after 1000 ms/])
  c.queue.add('slow')
  await c.time.advance(3_000)
  t.equal(most, 1)
  await c.time.advance(2_010)
  t.equal(running, 1, 'the second run has begun')
  t.equal(most, 1)
  c.stop.abort()
  await c.time.advance(10_000)
  await c.running
})

const node = { apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'u' }

function givenRecorder(create?: () => never) {
  const time = new VirtualTime()
  const written: object[] = []
  const client = {
    create: async (_type: unknown, event: { metadata: object }) => {
      create?.()
      written.push(event)
      return { ...event, metadata: { ...event.metadata, name: 'a.1' } }
    },
    patch: async (_type: unknown, ref: object, patch: object) => {
      written.push({ ...ref, ...patch })
      return { metadata: {} }
    },
  } as unknown as Pick<KubeClient, 'create' | 'patch'>
  const options = { client, controller: 'example.com/op', instance: 'pod-1', namespace: 'default', clock: time.host() }
  return { recorder: new EventRecorder(options), written, time }
}

t.test('the same event a hundred times is written once and then at each doubling', async (t) => {
  const { recorder, written, time } = givenRecorder()
  for (let i = 0; i < 100; i++) recorder.record(node, 'Warning', 'DrainBlocked', 'PDB a/b allows 0', 'Drain')
  await recorder.flush()
  t.match(written[0], {
    metadata: { generateName: 'a-', namespace: 'default' },
    type: 'Warning',
    reason: 'DrainBlocked',
    action: 'Drain',
    reportingController: 'example.com/op',
    reportingInstance: 'pod-1',
    regarding: node,
    eventTime: /\.\d{6}Z$/,
  })
  t.same(
    written.slice(1).map((patch) => (patch as { series: { count: number } }).series.count),
    [2, 4, 8, 16, 32, 64],
  )
  recorder.record(node, 'Warning', 'DrainBlocked', 'PDB a/c allows 0', 'Drain')
  await time.advance(10 * 60_000 + 1)
  recorder.record(node, 'Warning', 'DrainBlocked', 'PDB a/b allows 0', 'Drain')
  await recorder.flush()
  t.equal(written.length, 9, 'another note, and the same after ten minutes, are events of their own')
})

t.test('an event that cannot be written throws nothing, and its note fits the API', async (t) => {
  const failing = givenRecorder(() => {
    throw new Error('forbidden')
  })
  failing.recorder.record(node, 'Normal', 'R', 'n', 'A')
  failing.recorder.record(node, 'Normal', 'R', 'n', 'A')
  await failing.recorder.flush()
  const { recorder, written } = givenRecorder()
  recorder.record(node, 'Normal', 'R', '€'.repeat(2_000), 'A')
  await recorder.flush()
  const { note } = written[0] as { note: string }
  t.ok(Buffer.byteLength(note) <= 1_024 && Buffer.byteLength(note) > 1_018)
  t.match(note, /^€+…$/)
})

t.test('probes say what is wrong, and metrics can be scraped', async (t) => {
  const metrics = prometheusMetrics({ prefix: 'test_' })
  metrics.add(reconcileTotal, { controller: 'c', result: 'success' }, 3)
  metrics.set(workqueueDepth, { name: 'q' }, 7)
  let problem: string | undefined = 'nodes are not listed yet'
  const server = await serve({
    port: 0,
    host: '127.0.0.1',
    healthy: {},
    ready: { cache: () => problem },
    metrics,
  })
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`)
  t.equal((await get('/healthz')).status, 200)
  const notReady = await get('/readyz')
  t.equal(notReady.status, 503)
  t.equal(await notReady.text(), 'cache: nodes are not listed yet\n')
  problem = undefined
  t.equal((await get('/readyz')).status, 200)
  t.match(await (await get('/metrics')).text(), /test_reconcile_total\{controller="c",result="success"\} 3/)
  t.equal((await get('/other')).status, 404)
  await t.rejects(serve({ port: server.port, host: '127.0.0.1', healthy: {}, ready: {}, metrics }), /EADDRINUSE/)
  await server.close()
})

t.test('a log line is JSON with its fields, and without credentials', async (t) => {
  const lines: string[] = []
  const log = pinoLog({ level: 'info', destination: { write: (line) => void lines.push(line) } })
  log.debug('not shown')
  log
    .with({ node: 'a' })
    .warn('drain waits', { error: new TerminalError('why'), auth: { user: 'x' }, o: { token: 's3' } })
  t.equal(lines.length, 1)
  const line = JSON.parse(lines[0]!)
  t.match(line, { level: 'warn', msg: 'drain waits', node: 'a', error: { type: 'TerminalError', message: 'why' } })
  t.match(line.time, /^\d{4}-.*Z$/)
  t.notMatch(lines[0], 's3')
})

t.test('sleep ends at its time, at an abort, and at once when already aborted', async (t) => {
  const stop = new AbortController()
  const sleeping = systemClock.sleep(60_000, stop.signal)
  stop.abort()
  await sleeping
  await systemClock.sleep(60_000, stop.signal)
  const fromMs = systemClock.monotonicMs()
  await systemClock.sleep(20)
  t.ok(systemClock.monotonicMs() - fromMs >= 19)
  t.equal(microTime(new Date('2026-11-05T10:11:12.715Z')), '2026-11-05T10:11:12.715000Z')
  await settle()
})
