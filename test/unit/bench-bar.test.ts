import t from 'tap'
import { median, paired, percentile95, verdictOf } from '../bench/bar.ts'

const row = { name: 'x', ours: 10, unit: 'ms', note: '' }

t.test('the bar is on the ratio where there is one, and is met when it is reached', async (t) => {
  t.equal(verdictOf({ ...row, bar: 10 }), 'ok')
  t.equal(verdictOf({ ...row, bar: 9.9 }), 'OVER')
  t.equal(verdictOf({ ...row, bar: 2, yardstick: 5, ratio: 2 }), 'ok')
  t.equal(verdictOf({ ...row, bar: 20, yardstick: 0.4, ratio: 25 }), 'OVER')
  t.equal(verdictOf({ ...row, bar: 0 }), 'OVER')
  t.equal(verdictOf(row), '', 'nothing is said where there is no bar')
})

t.test('a figure that was not measured has not passed', async (t) => {
  t.equal(verdictOf({ ...row, ours: Number.NaN, bar: 10 }), 'OVER')
  t.throws(() => median([]), { message: 'nothing was measured' })
  t.throws(() => percentile95([]), { message: 'nothing was measured' })
})

t.test('what this computer cannot measure is skipped, which is not passed', async (t) => {
  t.equal(verdictOf({ name: 'x', unit: 'ms', bar: 2, note: 'it needs crio' }), 'skipped')
})

t.test('the 95th percentile of few is the largest', async (t) => {
  t.equal(percentile95([3, 9, 4]), 9)
  t.equal(percentile95(Array.from({ length: 100 }, (_, index) => index + 1)), 95)
})

t.test('medians', async (t) => {
  t.equal(median([3]), 3)
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([4, 1, 3, 2]), 2.5)
})

t.test('one disturbed half of a pair does not move the ratio', async (t) => {
  const pairs = [
    { ours: 11, yardstick: 10 },
    { ours: 22, yardstick: 20 },
    { ours: 12, yardstick: 100 },
    { ours: 900, yardstick: 10 },
    { ours: 33, yardstick: 30 },
  ]
  t.equal(paired(pairs).ratio, 1.1)
})
