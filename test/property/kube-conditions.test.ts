import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type Condition, isTrue, setCondition } from '../../kube/conditions.ts'

const updates = fc.array(
  fc.record({
    type: fc.constantFrom('Ready', 'Progressing', 'Degraded'),
    status: fc.constantFrom('True' as const, 'False' as const, 'Unknown' as const),
    reason: fc.constantFrom('A', 'B'),
    message: fc.constantFrom('x', 'y'),
    observedGeneration: fc.integer({ min: 1, max: 3 }),
  }),
)
const atSecond = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second, 123))

t.test('each type is there once, as last set, with the time at which its status last changed', async (t) => {
  fc.assert(
    fc.property(updates, (all) => {
      let conditions: readonly Condition[] = []
      const changedAt = new Map<string, string>()
      for (const [second, update] of all.entries()) {
        const former = conditions.find(({ type }) => type === update.type)
        if (former?.status !== update.status) {
          changedAt.set(update.type, `2026-01-01T${atSecond(second).toISOString().slice(11, 19)}Z`)
        }
        conditions = setCondition(conditions, update, atSecond(second))
        const found = conditions.filter(({ type }) => type === update.type)
        assert.deepEqual(found, [{ ...update, lastTransitionTime: changedAt.get(update.type) }])
        assert.equal(isTrue(conditions, update.type), update.status === 'True')
      }
    }),
  )
  t.equal(isTrue(undefined, 'Ready'), false)
})

t.test('the input is left alone, and the same array means that there is nothing to write', async (t) => {
  fc.assert(
    fc.property(updates, (all) => {
      let conditions: readonly Condition[] = []
      for (const [second, update] of all.entries()) {
        const before = structuredClone(conditions)
        const next = setCondition(conditions, update, atSecond(second))
        assert.deepEqual(conditions, before)
        assert.equal(setCondition(next, update, atSecond(99)), next)
        assert.equal(next === conditions, JSON.stringify(next) === JSON.stringify(before))
        conditions = next
      }
    }),
  )
  t.pass()
})
