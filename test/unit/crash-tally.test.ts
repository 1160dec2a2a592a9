import t from 'tap'
import type { Outcome } from '../crash/rounds.ts'
import { spread, tally } from '../crash/tally.ts'
import { differences } from '../moves/node-image.ts'

const outcome = (change: Partial<Outcome> = {}): Outcome => ({
  direction: 'there',
  crash: { victim: 'engine', point: 1 },
  at: 'open',
  isHit: true,
  end: 'new',
  leaks: [],
  faults: [],
  seconds: 1,
  ...change,
})

t.test('crashes are counted by move, way and victim', async (t) => {
  const outcomes = [
    outcome(),
    outcome({ end: 'old', crash: { victim: 'engine', point: 2 } }),
    outcome({ direction: 'back', isHit: false }),
    outcome({ crash: { victim: 'machine', point: 1 } }),
  ]
  const { rows, summary, isGood } = tally([{ move: 'a', outcomes }])
  t.strictSame(rows, [
    ['a', 'there', 'engine', '2', '2', '1', '1', '0', '0', '0'],
    ['a', 'back', 'engine', '1', '0', '1', '0', '0', '0', '0'],
    ['a', 'there', 'machine', '1', '1', '1', '0', '0', '0', '0'],
  ])
  t.match(summary, /^4 crashes, 3 of a part that ran: 3 ended in the new state, 1 in the old one, 0 stuck, 0 leaks/)
  t.ok(isGood)
})

t.test('a change that ended before its crash is none, and no crash at all is not good', async (t) => {
  const { at: _, ...before } = outcome()
  const { summary, isGood } = tally([{ move: 'a', outcomes: [before] }])
  t.match(summary, /^0 crashes/)
  t.notOk(isGood)
})

t.test('whatever is stuck, left behind or wrong is not good', async (t) => {
  for (const wrong of [outcome({ end: 'stuck' }), outcome({ leaks: ['mount /x'] }), outcome({ faults: ['no pods'] })]) {
    t.notOk(tally([{ move: 'a', outcomes: [outcome(), wrong] }]).isGood)
  }
})

t.test('two images of a node differ by what only one of them has', async (t) => {
  t.strictSame(differences(['a 1', 'b 1'], ['a 1', 'b 2']), ['- b 1', '+ b 2'])
})

t.test('crashes come from all over the journal from the beginning', async (t) => {
  t.same(spread([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [1, 5, 9, 3, 7, 2, 4, 6, 8, 10])
  t.same(spread([]), [])
})
