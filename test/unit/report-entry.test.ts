import t from 'tap'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { createValidator } from '../../crds/validate.ts'
import { entryOf, fit, type ReportNode } from '../../operator/reports/entry.ts'
import { runtimeState } from '../../operator/reports/runtime-state.ts'
import { closingSentence, totalsOf } from '../../operator/reports/totals.ts'
import type { Outcome } from '../../operator/rollout/types.ts'

const runtime = (status: object = {}): NodeRuntime => ({
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'NodeRuntime',
  metadata: {
    name: 'worker-1',
    annotations: {
      'drydock.dev/turn': JSON.stringify({
        revision: 'r',
        attempt: 2,
        startTime: '2026-01-01T00:00:00Z',
        podsEvicted: 3,
        drainMilliseconds: 4,
        before: { engine: 'docker' },
      }),
    },
  },
  spec: { permit: 'Commit', revision: 'r', attempt: 2 },
  status: { revision: 'r', attempt: 2, phase: 'Committed', ...status },
})
const why = { reason: 'Because', message: 'worker-1: because' }
const now = new Date('2026-01-01T00:01:00Z')

t.test('results follow from the outcome and what the agent did', async (t) => {
  const diff = { action: 'None', changes: [{ path: '/a', diff: '' }] }
  const cases: [Outcome, object, string][] = [
    [{ result: 'Committed' }, { action: 'DrainRestart' }, 'Changed'],
    [{ result: 'Committed' }, { action: 'None' }, 'Unchanged'],
    [{ result: 'Committed' }, diff, 'Changed'],
    [{ result: 'Refused', why }, {}, 'Refused'],
    [{ result: 'RolledBack', why }, {}, 'RolledBack'],
    [{ result: 'Failed', why }, {}, 'Failed'],
    [{ result: 'GaveUp', why }, {}, 'Skipped'],
  ]
  for (const [outcome, status, wanted] of cases) t.equal(entryOf(runtime(status), outcome, now).result, wanted)
})

t.test('an entry holds the turn, before and after', async (t) => {
  const observed = {
    engine: { name: 'containerd', version: '2.3.7', socket: 'unix:///run/containerd/containerd.sock' },
    kubeletVersion: 'v1.36.1',
    cgroup: { engineDriver: 'systemd' as const, kubeletDriver: 'systemd' as const },
    handlers: [
      { name: 'runc', default: true, binary: '/usr/sbin/runc', version: '1.3.0' },
      { name: 'plain', binary: '/usr/sbin/runc', version: '1.3.0' },
      { name: 'crun', version: '1.21' },
      { name: 'kata' },
    ],
  }
  t.same(runtimeState(observed), {
    engine: 'containerd',
    engineVersion: '2.3.7',
    endpoint: 'unix:///run/containerd/containerd.sock',
    kubeletVersion: 'v1.36.1',
    cgroupDriver: 'systemd',
    kubeletCgroupDriver: 'systemd',
    handlers: 'runc*,plain,crun,kata',
    ociRuntimes: 'runc 1.3.0, crun 1.21',
  })
  const entry = entryOf(runtime({ observed, action: 'DrainRestart' }), { result: 'RolledBack', why }, now)
  t.match(entry, {
    name: 'worker-1',
    attempt: 2,
    startTime: '2026-01-01T00:00:00Z',
    completionTime: '2026-01-01T00:01:00.000Z',
    before: { engine: 'docker' },
    after: { engine: 'containerd' },
    podsEvicted: 3,
    drainMilliseconds: 4,
    reason: 'Because',
    message: 'worker-1: because',
  })
})

t.test('an entry holds what a change of the engine did to the node', async (t) => {
  const effects = {
    prepareMilliseconds: 9_000,
    kubeletDownMilliseconds: 2_500,
    podsRemoved: 4,
    images: { carried: 7, bytes: 400_000_000, message: 'registry.example/big:1 is pulled: the disk is full' },
    reclaimableBytes: 900_000_000,
    residue: ['/var/lib/docker takes 900 MB: write migration.previousEngine: purge'],
    notes: ['--network-plugin=cni was removed: kubelet v1.36 refuses it'],
  }
  const moved = entryOf(runtime({ ...effects, action: 'DrainSwitch' }), { result: 'Committed' }, now)
  t.match(moved, { ...effects, result: 'Changed', action: 'DrainSwitch' })
  const back = entryOf(runtime({ ...effects, failedStep: 'prove' }), { result: 'RolledBack', why }, now)
  t.match(back, { result: 'RolledBack', failedStep: 'prove' })
  t.equal(entryOf(runtime({ failedStep: 'prove' }), { result: 'Committed' }, now).failedStep, undefined)
  const nothing = entryOf(runtime({ residue: [], notes: [] }), { result: 'Committed' }, now)
  t.notOk('residue' in nothing || 'notes' in nothing || 'images' in nothing)
})

t.test('a report that grows loses how before it loses what', async (t) => {
  const changes = [{ path: '/etc/containerd/config.toml', diff: 'x'.repeat(8000) }]
  const long = Array.from({ length: 32 }, () => 'z'.repeat(512))
  const entry = entryOf(
    runtime({ changes, residue: long, notes: long, action: 'Restart' }),
    { result: 'Failed', why: { ...why, message: 'y'.repeat(5000) } },
    now,
  )
  t.equal(fit(entry, 0), entry)
  const slim = fit(entry, 700_000)
  t.notOk('changes' in slim || 'residue' in slim || 'notes' in slim)
  t.match(slim, { name: 'worker-1', result: 'Failed', before: { engine: 'docker' } })
  t.ok(700_000 + 200_000 + 256 * JSON.stringify(slim).length < 1_500_000, '256 of them fit into one object')
})

t.test('the closing sentence counts, and tells the first failure', async (t) => {
  const ended = (...results: ReportNode['result'][]) => totalsOf(results.map((result) => ({ result })))
  const totals = ended('Changed', 'Unchanged', 'Changed', 'Skipped', 'Refused', 'RolledBack', 'Failed')
  t.same(totals, { changed: 2, unchanged: 1, failed: 4 })
  t.equal(
    closingSentence('Failed', totals, 'worker-3: no crun'),
    '2 nodes changed and proven, 1 node needed no change, 4 nodes failed. worker-3: no crun',
  )
  t.equal(closingSentence('Succeeded', ended('Changed')), '1 node changed and proven.')
  t.equal(closingSentence('Superseded', ended()), 'A newer revision took over: 0 nodes changed and proven.')
  t.equal(
    closingSentence('Deleted', ended('Changed')),
    'The profile was deleted before all was done: 1 node changed and proven.',
  )
})

t.test('what was aborted is no failure', async (t) => {
  const aborted = { reason: 'Aborted' }
  const nodes = [
    { result: 'Skipped', ...aborted },
    { result: 'RolledBack', ...aborted },
    { result: 'Changed' },
  ] as const
  t.same(totalsOf(nodes), { changed: 1, unchanged: 0, failed: 0 })
  t.same(totalsOf([{ result: 'Failed', reason: 'Lost' }]), { changed: 0, unchanged: 0, failed: 1 })
})

t.test('a sentence around the longest one of a node still fits into the report', async (t) => {
  const { message } = entryOf(runtime(), { result: 'Failed', why: { ...why, message: 'x'.repeat(5000) } }, now)
  const sentence = closingSentence('Failed', totalsOf([{ result: 'Failed' }]), message)
  t.match(sentence, /^0 nodes changed and proven, 1 node failed\. x+…$/)
  const report = {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'MigrationReport',
    metadata: { name: 'r' },
    spec: { profile: 'p', revision: 'r' },
    status: { phase: 'Failed', completionTime: now.toISOString(), message: sentence },
  }
  t.same(createValidator()(report), [])
  const split = closingSentence('Failed', totalsOf([]), `${'x'.repeat(4066)}😀 and more`)
  t.ok(split.isWellFormed(), 'no character is cut in half')
})
