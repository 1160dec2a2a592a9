import t from 'tap'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { answerOf } from '../../node-agent/engine/answer.ts'
import { type Decision, decide, type State } from '../../node-agent/engine/machine.ts'
import { found, record, replay, stepped, undoing } from '../../node-agent/engine/work.ts'
import type { Side } from '../../node-agent/engines/engine.ts'
import type { Instant } from '../../node-agent/host/boot-clock.ts'
import { answered, committed, freshMemory, undone } from '../../node-agent/journal/memory.ts'
import type { Change, JournalRecord, Order } from '../../node-agent/journal/records.ts'

const at = (seconds: number, boot = 'a'): Instant => ({
  boot,
  monotonicMs: seconds * 1000,
  wall: new Date(seconds * 1000).toISOString(),
})

const order: Order = {
  permit: 'Switch',
  revision: 'r1',
  attempt: 1,
  fence: 3,
  timeoutSeconds: 60,
  courierTimeoutSeconds: 100,
  target: { engine: { name: 'containerd' } },
}
const other: Order = { ...order, revision: 'r2', permit: 'Prepare' }
const expectation = {
  handlers: [{ name: 'runc', default: true }],
  cgroupDriver: 'systemd',
  cgroupVersion: 'v2',
} as const
const side: Side = {
  name: 'containerd',
  units: ['containerd.service'],
  endpoint: 'unix:///run/containerd/containerd.sock',
}
const change: Change = {
  action: 'DrainRestart',
  from: side,
  to: side,
  units: [{ name: 'containerd.service', enabled: { before: 'enabled' }, runs: { before: true, after: true } }],
  kubeletUnit: 'kubelet.service',
  healthz: { address: '127.0.0.1', port: 10248 },
  files: [{ path: '/etc/x', before: 'b', after: 'a', original: 'o' }],
  image: 'agent',
  wanted: expectation,
  former: { ...expectation, cgroupDriver: 'cgroupfs' },
}
const findings = { podsRemoved: 0 }
const open: JournalRecord = { type: 'open', at: at(0), id: 'one', order, change, shown: { action: 'DrainRestart' } }
const step = (name: 'stop-kubelet' | 'stop-engine' | 'start-kubelet', seconds: number): JournalRecord => ({
  type: 'step',
  at: at(seconds),
  name,
  findings,
})
const carrying = (name: 'stop-kubelet' | 'stop-engine', seconds: number, bytes = 500_000_000): JournalRecord => ({
  ...(step(name, seconds) as Extract<JournalRecord, { type: 'step' }>),
  findings: { podsRemoved: 0, images: { carried: 0, bytes } },
})
const exchange: Change = { ...change, action: 'DrainSwitch', images: { names: ['app'], archive: '/images.tar' } }
/** An archive of 50 MB has been written: the kubelet is to stop. */
const exported: Partial<State> = (() => {
  const exporting: JournalRecord = { type: 'step', at: at(0), name: 'export-images', findings }
  const work = record(replay([{ ...open, change: exchange } as JournalRecord]), exporting)!
  return { work: stepped(found(work, { images: { carried: 0, bytes: 50_000_000 } })) }
})()
const verification = { passed: true, time: at(3).wall, durationMilliseconds: 500 }
const proven: JournalRecord = { type: 'proven', at: at(10), findings: { podsRemoved: 2, verification } }
const why = { reason: 'StepFailed', message: 'It broke.', step: 'stop-engine' }
const back: JournalRecord = { type: 'back', at: at(20), why }
const failedRecord: JournalRecord = { type: 'failed', at: at(30), why }

const all = ['start-kubelet', 'prove', 'start-engine', 'write-files', 'stop-engine', 'remove-pods', 'stop-kubelet']

function given(records: readonly JournalRecord[], more: Partial<State> = {}): State {
  const work = replay(records)
  return { memory: freshMemory('m'), pending: false, ...(work && { work }), ...more }
}

const answer = (phase: NodeRuntimeStatus['phase'], more: object = {}): Partial<State> => ({
  memory: answered(freshMemory('m'), order, { revision: 'r1', attempt: 1, phase, ...more } as NodeRuntimeStatus),
})

interface Case {
  readonly name: string
  readonly state: State
  readonly now: Instant
  readonly decision: Partial<Decision> | object
}

const asked = (permit: Order['permit'], more: Partial<State> = {}): State =>
  given([], { order: { ...order, permit }, pending: true, ...more })

const cases: readonly Case[] = [
  { name: 'nothing to do', state: given([]), now: at(1), decision: { do: 'wait' } },
  {
    name: 'an order is looked at once',
    state: { ...asked('Prepare'), pending: false },
    now: at(1),
    decision: { do: 'wait' },
  },
  { name: 'Observe', state: asked('Observe'), now: at(1), decision: { do: 'observe' } },
  { name: 'Prepare', state: asked('Prepare'), now: at(1), decision: { do: 'prepare', open: false } },
  { name: 'Prepare again', state: asked('Prepare', answer('Prepared')), now: at(1), decision: { do: 'repeat' } },
  {
    name: 'Switch after Prepared',
    state: asked('Switch', answer('Prepared')),
    now: at(1),
    decision: { do: 'prepare', open: true },
  },
  { name: 'Switch unprepared', state: asked('Switch'), now: at(1), decision: { do: 'prepare', open: true } },
  { name: 'Switch after Refused', state: asked('Switch', answer('Refused')), now: at(1), decision: { do: 'repeat' } },
  {
    name: 'Commit after RolledBack',
    state: asked('Commit', answer('RolledBack')),
    now: at(1),
    decision: { do: 'repeat' },
  },
  {
    name: 'Rollback after Committed',
    state: asked('Rollback', answer('Committed')),
    now: at(1),
    decision: { do: 'repeat' },
  },
  {
    name: 'Commit of what was never begun',
    state: asked('Commit', answer('Prepared')),
    now: at(1),
    decision: { do: 'refuse', why: { reason: 'NothingOpen' } },
  },
  { name: 'Remove', state: asked('Remove'), now: at(1), decision: { do: 'remove' } },
  {
    name: 'Remove waits for the open change',
    state: given([open, proven], { order: { permit: 'Remove' }, pending: true }),
    now: at(11),
    decision: { do: 'wait' },
  },

  {
    name: 'the first step',
    state: given([open]),
    now: at(1),
    decision: { do: 'step', name: 'stop-kubelet', untilMs: 60_000 },
  },
  {
    name: 'a begun step is done again',
    state: given([open, step('stop-engine', 2)]),
    now: at(3),
    decision: { do: 'step', name: 'stop-engine' },
  },
  {
    name: 'the deadline',
    state: given([open, step('stop-engine', 2)]),
    now: at(60),
    decision: { do: 'back', why: { reason: 'DeadlineExceeded', step: 'stop-engine' } },
  },
  {
    name: 'images that are carried have time of their own',
    state: given([open, carrying('stop-kubelet', 0), carrying('stop-engine', 1)]),
    now: at(60 + 49),
    decision: { do: 'step', name: 'stop-engine', untilMs: 110_000 },
  },
  {
    name: 'and no more than that',
    state: given([open, carrying('stop-kubelet', 0), carrying('stop-engine', 1)]),
    now: at(60 + 50),
    decision: { do: 'back', why: { reason: 'DeadlineExceeded', message: /within 110 seconds/ } },
  },
  {
    name: 'the time of the proof begins when the kubelet stops, not with the export of images before it',
    state: given([], exported),
    now: at(600),
    decision: { do: 'step', name: 'stop-kubelet', untilMs: 665_000 },
  },
  {
    name: 'and it counts from there',
    state: given([], { work: record(exported.work, carrying('stop-kubelet', 600, 50_000_000))! }),
    now: at(665),
    decision: { do: 'back', why: { reason: 'DeadlineExceeded', message: /within 65 seconds/ } },
  },
  {
    name: 'an export has an end, too',
    state: given([], exported),
    now: at(900),
    decision: { do: 'back', why: { reason: 'DeadlineExceeded', message: /within 900 seconds/ } },
  },
  {
    name: 'another boot',
    state: given([open, step('stop-engine', 2)]),
    now: at(1, 'b'),
    decision: { do: 'back', why: { reason: 'Rebooted' } },
  },
  {
    name: 'Rollback while switching',
    state: given([open], { order: { ...order, permit: 'Rollback' } }),
    now: at(1),
    decision: { do: 'back', why: { reason: 'Ordered' } },
  },
  {
    name: 'other work while switching',
    state: given([open], { order: other }),
    now: at(1),
    decision: { do: 'back', why: { reason: 'Superseded' } },
  },
  {
    name: 'a look while switching',
    state: given([open], { order: { permit: 'Observe' } }),
    now: at(1),
    decision: { do: 'step' },
  },

  {
    name: 'proven waits for its courier',
    state: given([open, proven]),
    now: at(11),
    decision: { do: 'wait', untilMs: 110_000 },
  },
  {
    name: 'a request from before the proof',
    state: given([open, proven], { requestedMs: 9_000 }),
    now: at(11),
    decision: { do: 'wait', untilMs: 110_000 },
  },
  {
    name: 'a request after the proof',
    state: given([open, proven], { requestedMs: 10_500 }),
    now: at(11),
    decision: { do: 'courier' },
  },
  {
    name: 'a courier that came back once',
    state: given([open, proven, { type: 'courier', at: at(12) }]),
    now: at(9999),
    decision: { do: 'wait', untilMs: undefined },
  },
  {
    name: 'no courier',
    state: given([open, proven]),
    now: at(110),
    decision: { do: 'back', why: { reason: 'CourierMissing' } },
  },
  {
    name: 'Commit',
    state: given([open, proven], { order: { ...order, permit: 'Commit' } }),
    now: at(11),
    decision: { do: 'commit' },
  },
  {
    name: 'Commit of other work',
    state: given([open, proven], { order: { ...other, permit: 'Commit' } }),
    now: at(11),
    decision: { do: 'back', why: { reason: 'Superseded' } },
  },
  {
    name: 'Rollback of the proven',
    state: given([open, proven], { order: { ...order, permit: 'Rollback' } }),
    now: at(11),
    decision: { do: 'back', why: { reason: 'Ordered' } },
  },
  {
    name: 'other work: nobody will commit the proven any more',
    state: given([open, proven], { order: other }),
    now: at(11),
    decision: { do: 'back', why: { reason: 'Superseded' } },
  },
  {
    name: 'the proven is of a Node that is there no more',
    state: given([{ ...open, order: { ...order, nodeUID: 'one' } }, proven], {
      order: { permit: 'Observe', nodeUID: 'another' },
    }),
    now: at(11),
    decision: { do: 'back', why: { reason: 'OtherNode' } },
  },
  {
    name: 'Commit comes too early after a boot',
    state: given([open, proven], { order: { ...order, permit: 'Commit' } }),
    now: at(1, 'b'),
    decision: { do: 'again' },
  },
  {
    name: 'proving again',
    state: given([open, proven, { type: 'again', at: at(2, 'b') }]),
    now: at(3, 'b'),
    decision: { do: 'step', name: 'stop-kubelet', untilMs: 62_000 },
  },

  {
    name: 'only what was begun is undone',
    state: given([open, step('stop-kubelet', 1), back]),
    now: at(21),
    decision: { do: 'undo', names: ['stop-kubelet'] },
  },
  { name: 'all is undone', state: given([open, proven, back]), now: at(21), decision: { do: 'undo', names: all } },
  {
    name: 'after a boot anything may run',
    state: given([open, step('stop-kubelet', 1), back]),
    now: at(1, 'b'),
    decision: { do: 'undo', names: all },
  },
  {
    name: 'files that were restored before anything started',
    state: given([open, step('stop-engine', 1), back, { type: 'restored', at: at(1, 'b') }]),
    now: at(2, 'b'),
    decision: { do: 'undo', names: all.filter((name) => name !== 'start-engine' && name !== 'write-files') },
  },
  {
    name: 'restored in an earlier boot',
    state: given([open, step('stop-engine', 1), back, { type: 'restored', at: at(1, 'b') }]),
    now: at(2, 'c'),
    decision: { do: 'undo', names: all },
  },
  {
    name: 'all is undone when proving again failed',
    state: given([open, step('stop-kubelet', 1), proven, { type: 'again', at: at(2) }, back]),
    now: at(21),
    decision: { do: 'undo', names: all },
  },
  {
    name: 'Failed stays',
    state: given([open, proven, back, failedRecord], { order }),
    now: at(9999),
    decision: { do: 'wait' },
  },
  {
    name: 'Failed and other work',
    state: given([open, proven, back, failedRecord], { order: other }),
    now: at(31),
    decision: { do: 'back' },
  },
  {
    name: 'Failed and another boot',
    state: given([open, proven, back, failedRecord]),
    now: at(1, 'b'),
    decision: { do: 'back' },
  },
]

t.test('the machine decides', async (t) => {
  for (const { name, state, now, decision } of cases) t.match(decide(state, now), decision, name)
})

t.test('what the status says of an open change', async (t) => {
  const work = replay([open, step('stop-kubelet', 1), step('stop-engine', 3), step('start-kubelet', 6), proven])!
  t.match(answerOf(work, at(99)), {
    revision: 'r1',
    attempt: 1,
    phase: 'Proven',
    action: 'DrainRestart',
    podsRemoved: 2,
    kubeletDownMilliseconds: 9000,
    verification,
    steps: [
      { name: 'stop-kubelet', durationMilliseconds: 2000 },
      { name: 'stop-engine', durationMilliseconds: 3000 },
      { name: 'start-kubelet', durationMilliseconds: 4000 },
    ],
  })
  const undone = undoing(
    replay([open, step('stop-kubelet', 1), step('start-kubelet', 6), proven, back])!,
    'start-kubelet',
    at(21),
  )
  t.equal(answerOf(undone, at(22)).kubeletDownMilliseconds, undefined, 'it is still down')
  t.match(
    answerOf({ ...undone, end: at(25) }, at(25)),
    {
      kubeletDownMilliseconds: 9000 + 4000,
      steps: [
        {},
        { name: 'start-kubelet', durationMilliseconds: 4000 },
        { name: 'undo start-kubelet', durationMilliseconds: 4000 },
      ],
    },
    'while the node waited to be committed it was up',
  )
  const halfway = undoing(replay([open, step('stop-kubelet', 1), back])!, 'stop-kubelet', at(21))
  t.equal(answerOf({ ...halfway, end: at(25) }, at(25)).kubeletDownMilliseconds, 24_000)
  const leaving = { ...open, shown: { action: 'DrainSwitch', reclaimableBytes: 7, prepareMilliseconds: 8 } } as const
  t.match(answerOf(replay([leaving, proven])!, at(99)), { reclaimableBytes: 7, prepareMilliseconds: 8 })
  const stayed = answerOf(replay([leaving, proven, back])!, at(99))
  t.match(stayed, { prepareMilliseconds: 8 })
  t.notOk('reclaimableBytes' in stayed, 'what the node goes back to is not for the taking')
  t.match(answerOf(replay([open, back])!, at(99)), {
    phase: 'RollingBack',
    reason: 'StepFailed',
    failedStep: 'stop-engine',
  })
  t.match(answerOf(replay([open, back, failedRecord])!, at(99)), { phase: 'Failed', message: 'It broke.' })
})

t.test('the memory keeps originals until they are restored', async (t) => {
  const ended = { id: 'one', order, change }
  const first = committed(freshMemory('m'), ended, {})
  t.match(first, {
    closed: 'one',
    files: { '/etc/x': { original: 'o', written: 'a' } },
    origin: { side, proof: change.former, units: [{ name: 'containerd.service', enabled: 'enabled', runs: true }] },
    current: change.wanted,
  })
  const second = committed(first, { ...ended, change: { ...change, former: change.wanted } }, {})
  t.strictSame(second.origin, first.origin, 'the first former state is the original one')
  const file = { path: '/etc/x', before: 'a', after: 'o', original: 'o' }
  t.strictSame(committed(second, { ...ended, change: { ...change, files: [file] } }, {}).files, {})
  const { target: _, ...original } = order
  const restored = committed(second, { ...ended, order: original }, {})
  t.match(restored, { files: {}, origin: undefined, current: undefined })
  t.strictSame(undone(first, { ...ended, id: 'two' }, {}).files, first.files)
})
