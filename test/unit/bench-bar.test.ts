import t from 'tap'
import { median, paired, percentile95, verdictOf } from '../bench/bar.ts'
import { bound, ideal } from '../bench/ideal-schedule.ts'

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

t.test('the ideal schedule of nodes that all take as long', async (t) => {
  const alone = { preparing: 1, out: [10, 10] }
  t.equal(bound({ nodes: 40, places: 4 }, alone), 100)
  t.equal(bound({ nodes: 2, places: 4 }, alone), 10, 'no rollout is shorter than its longest node')
  t.equal(ideal({ nodes: 40, places: 4 }, alone, Math.random), 101, 'all places are full to the end')
  t.equal(ideal({ nodes: 41, places: 4 }, alone, Math.random), 111, 'one node more than fits is a round more')
  t.throws(() => bound({ nodes: 4, places: 2 }, { preparing: 0, out: [] }), { message: 'nothing was measured' })
})

t.test(
  'nodes that take differently long leave places empty at the end, and the more places there are the more',
  async (t) => {
    let state = 0
    const random = (): number => {
      state = (state * 16_807 + 11) % 2_147_483_647
      return state / 2_147_483_647
    }
    const alone = { preparing: 0, out: Array.from({ length: 100 }, (_, index) => 8_000 + 40 * index) }
    const part = (nodes: number, places: number): number =>
      bound({ nodes, places }, alone) / ideal({ nodes, places }, alone, random)
    const [few, many, long] = [part(100, 10), part(1_000, 100), part(1_000, 50)]
    t.ok(many < few && few < long && long < 1, `${many} ${few} ${long}`)
  },
)
