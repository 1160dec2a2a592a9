import fc from 'fast-check'
import t from 'tap'
import { WorkQueue } from '../../kube/workqueue.ts'
import { settle, VirtualTime } from '../support/virtual-clock.ts'

const never = new AbortController().signal
const keys = fc.constantFrom('a', 'b', 'c')
const command = fc.oneof(
  fc.record({ do: fc.constant('add' as const), key: keys }),
  fc.record({ do: fc.constant('addAfter' as const), key: keys, ms: fc.integer({ min: 0, max: 5_000 }) }),
  fc.record({ do: fc.constant('retry' as const), key: keys }),
  fc.record({ do: fc.constant('get' as const) }),
  fc.record({ do: fc.constant('finish' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 10_000 }) }),
)

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

/** A queue, and what must be true of it. */
class Model {
  readonly time = new VirtualTime()
  readonly queue = new WorkQueue({ name: 'q', clock: this.time.host() })
  readonly running: string[] = []
  /** Keys with an add that no work has begun after. */
  readonly owed = new Set<string>()
  adds = 0
  works = 0

  async apply(step: Command): Promise<void> {
    if ('key' in step) {
      this.adds++
      this.owed.add(step.key)
    }
    if (step.do === 'add') this.queue.add(step.key)
    else if (step.do === 'addAfter') this.queue.addAfter(step.key, step.ms)
    else if (step.do === 'retry') this.queue.addRateLimited(step.key)
    else if (step.do === 'pass') await this.time.advance(step.ms)
    else if (step.do === 'get') await this.take()
    else this.finish(step.index, 1)
  }

  async take(): Promise<void> {
    const key = this.queue.depth > 0 ? await this.queue.get(never) : undefined
    if (key === undefined) return
    if (this.running.includes(key)) throw new Error(`${key} is worked on twice`)
    this.works++
    this.owed.delete(key)
    this.running.push(key)
  }

  finish(from: number, count: number): void {
    for (const key of this.running.splice(from, count)) this.queue.done(key)
  }

  async drain(): Promise<void> {
    await this.time.advance(120_000)
    while (this.running.length > 0 || this.queue.depth > 0) {
      this.finish(0, this.running.length)
      while (this.queue.depth > 0) await this.take()
    }
  }
}

t.test('whatever happens, a key is worked on once at a time, no add is lost, no work comes from nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const model = new Model()
      for (const step of commands) await model.apply(step)
      await model.drain()
      if (model.owed.size > 0) throw new Error(`lost: ${[...model.owed]}`)
      if (model.works > model.adds) throw new Error(`${model.works} works for ${model.adds} adds`)
      if (model.time.sleeping > 0) throw new Error('a timer is left')
    }),
    { numRuns: 150 },
  )
  t.pass()
})

t.test('the backoff of a key doubles from 5 ms to 60 s, and starts again after forget', async (t) => {
  const time = new VirtualTime()
  const clock = time.host()
  const queue = new WorkQueue({ name: 'q', clock })
  const delay = async (): Promise<number> => {
    const fromMs = clock.monotonicMs()
    queue.addRateLimited('a')
    const got = queue.get(never)
    while (time.sleeping > 0) await time.advance(5)
    queue.done((await got)!)
    return clock.monotonicMs() - fromMs
  }
  const delays = []
  for (let i = 0; i < 16; i++) delays.push(await delay())
  t.same(delays.slice(0, 6), [5, 10, 20, 40, 80, 160])
  t.same(delays.slice(-2), [60_000, 60_000])
  queue.forget('a')
  t.equal(await delay(), 5)
})

t.test('retries of many keys are limited to 100 at once and 10 a second', async (t) => {
  const time = new VirtualTime()
  const queue = new WorkQueue({ name: 'q', clock: time.host() })
  for (let i = 0; i < 200; i++) queue.addRateLimited(`key-${i}`)
  await time.advance(50)
  t.equal(queue.depth, 100)
  await time.advance(1_000)
  t.equal(queue.depth, 110)
  await time.advance(9_000)
  t.equal(queue.depth, 200)
})

t.test('of two delays for one key the earlier one counts', async (t) => {
  const time = new VirtualTime()
  const queue = new WorkQueue({ name: 'q', clock: time.host() })
  queue.addAfter('a', 1_000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 5_000)
  await time.advance(100)
  t.equal(queue.depth, 1)
  t.equal(time.sleeping, 0)
})

t.test('a waiting get ends with an add, an abort or the shutdown', async (t) => {
  const queue = new WorkQueue({ name: 'q' })
  const stop = new AbortController()
  const results: (string | undefined)[] = []
  const collect = async (signal: AbortSignal): Promise<void> => void results.push(await queue.get(signal))
  const waiting = [collect(stop.signal), collect(never), collect(never)]
  await settle()
  stop.abort()
  await settle()
  t.same(results, [undefined])
  queue.add('a')
  await settle()
  t.same(results, [undefined, 'a'])
  queue.shutDown()
  await Promise.all(waiting)
  queue.add('b')
  queue.addAfter('b', 0)
  t.equal(queue.depth, 0)
  t.equal(await queue.get(never), undefined)
})
