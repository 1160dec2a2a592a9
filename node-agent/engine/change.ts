/** What is done while a change is open. */

import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Observed, Side } from '../engines/engine.ts'
import { committed, undone } from '../journal/memory.ts'
import type { Why } from '../journal/records.ts'
import { isExchange, steps } from '../steps/index.ts'
import type { StepName } from '../steps/step.ts'
import { type Acting, applyStep, revertStep } from './act.ts'
import { answerOf } from './answer.ts'
import type { Ledger } from './ledger.ts'
import { type Decision, decide } from './machine.ts'
import { type Tidying, tidied } from './tidy.ts'
import { found, stepped, undoing, type Work } from './work.ts'

export interface Changing extends Acting, Tidying {
  /** Looks at the node. */
  readonly look: () => Promise<Observed>
  /** What an engine that the kubelet has left leaves behind, one sentence each. */
  readonly residue: (former: Side) => Promise<readonly string[]>
}

/** How long to wait after something that must be written could not be. */
const retryMs = 1000

/** Reasons that a replay of the journal finds by itself: going back for them needs no record. */
const selfEvident: readonly string[] = ['DeadlineExceeded', 'Rebooted']

/** Where time or an order ended the step, those are the reason; the error then says what took the time. */
function whyFailed(step: StepName, message: string, next: Decision): Why {
  if (next.do !== 'back') return { reason: 'StepFailed', message, step }
  const { why } = next
  return why.reason === 'DeadlineExceeded' ? { ...why, message: `${why.message} ${message}` } : why
}

/** The open change, as long as `signal` does not abort; then the next start goes on. */
export class Changer {
  readonly #parts: Changing
  readonly #ledger: Ledger
  readonly #signal: AbortSignal
  /** Ends the step under way. */
  #interrupt: AbortController | undefined

  constructor(parts: Changing, ledger: Ledger, signal: AbortSignal) {
    this.#parts = parts
    this.#ledger = ledger
    this.#signal = signal
  }

  interrupt(reason: string): void {
    this.#interrupt?.abort(new Error(reason))
  }

  async step(work: Work, { name, untilMs }: Extract<Decision, { do: 'step' }>): Promise<void> {
    const ledger = this.#ledger
    const interrupt = new AbortController()
    this.#interrupt = interrupt
    try {
      await ledger.record({ type: 'step', at: this.#parts.clock.instant(), name, findings: work.findings })
      await applyStep(this.#parts, work, { name, untilMs, interrupt }, (finding) =>
        ledger.alter((now) => now && found(now, finding)),
      )
      ledger.alter((now) => now && stepped(now))
    } catch (error) {
      if (this.#signal.aborted) return
      const next = decide(ledger.state, this.#parts.clock.instant())
      this.#parts.log.warn('a step failed', { step: name, error })
      await this.back(whyFailed(name, (error as Error).message, next))
    } finally {
      this.#interrupt = undefined
    }
  }

  async proven(work: Work): Promise<void> {
    await this.#ledger.record({ type: 'proven', at: this.#parts.clock.instant(), findings: work.findings })
    await this.#look()
  }

  /** Throws when the turn cannot be recorded and a crash would forget it: the caller tries again. */
  async back(why: Why): Promise<void> {
    const entry = { type: 'back', at: this.#parts.clock.instant(), why } as const
    try {
      await this.#ledger.record(entry)
    } catch (error) {
      if (!selfEvident.includes(why.reason)) throw error
      this.#parts.log.error('the change is undone without a record of it', { error })
      this.#ledger.advance(entry)
    }
  }

  async undo(work: Work, names: readonly StepName[]): Promise<void> {
    const failures: Why[] = []
    for (const name of names.filter((each) => steps[each].revert)) {
      if (this.#signal.aborted) return
      this.#ledger.alter((now) => now && undoing(now, name, this.#parts.clock.instant()))
      const failure = await revertStep(this.#parts, work, name, (finding) =>
        this.#ledger.alter((now) => now && found(now, finding)),
      )
      if (failure) failures.push(failure)
      if (failure) this.#parts.log.error('a step could not be undone', { ...failure })
    }
    const [failure] = failures
    const isWritten = await this.#untilWritten(() => (failure ? this.#failed(work, failure) : this.#undone()))
    if (isWritten && !failure) await tidied(this.#parts, this.#ledger.state.memory)
  }

  async #failed(work: Work, failure: Why): Promise<void> {
    const { stage } = work
    const cause = stage.name === 'back' ? `${stage.why.message} ` : ''
    const message = `${cause}The former state could not be brought back: ${failure.message}`
    await this.#ledger.record({ type: 'failed', at: this.#parts.clock.instant(), why: { ...failure, message } })
  }

  async #undone(): Promise<void> {
    const { work } = this.#ledger.state
    if (!work) return
    const end = this.#parts.clock.instant()
    const answer = { ...answerOf({ ...work, end }, end), phase: 'RolledBack' } as const
    this.#ledger.remember((memory) => undone(memory, work, answer))
    await this.#ledger.close(answer)
  }

  async commit(): Promise<void> {
    await this.#look()
    const { work } = this.#ledger.state
    if (!work) return
    const message = `The node runs revision ${work.order.revision}.`
    const left = await this.#residue(work)
    const answer = { ...answerOf(work, this.#parts.clock.instant()), phase: 'Committed', message, ...left } as const
    this.#ledger.remember((memory) => committed(memory, work, answer))
    const isWritten = await this.#untilWritten(() => this.#ledger.close(answer))
    if (isWritten) await tidied(this.#parts, this.#ledger.state.memory)
  }

  /** What an exchange leaves on the host, for people. */
  async #residue({ change }: Work): Promise<Pick<NodeRuntimeStatus, 'residue'>> {
    if (!isExchange(change) || change.from.name === 'none') return {}
    const residue = await this.#parts.residue(change.from).catch(() => [])
    return residue.length > 0 ? { residue: [...residue] } : {}
  }

  /** What the status shows is what is there now; a look that fails takes nothing from the proof. */
  async #look(): Promise<void> {
    try {
      const observed = await this.#parts.look()
      this.#ledger.alter((work) => work && { ...work, shown: { ...work.shown, observed } })
    } catch (error) {
      this.#parts.log.warn('the node could not be looked at', { error })
    }
  }

  /**
   * The node is in its final state, and only the note of it is missing: nothing on the node is done again for that. False
   * when the engine was stopped before it was written: the change is still open, and the next start needs all that it names.
   */
  async #untilWritten(write: () => Promise<void>): Promise<boolean> {
    while (!this.#signal.aborted) {
      try {
        await write()
        return true
      } catch (error) {
        this.#parts.log.error('the end of the change cannot be recorded yet', { error })
        await this.#parts.clock.sleep(retryMs, this.#signal)
      }
    }
    return false
  }
}
