/** How a pure decision leaves early: thrown below, turned into its Refusal at the edge of the folder. */
import type { Refusal } from './engine.ts'

export class Refused extends Error {
  override readonly name = 'Refused'
  readonly refusal: Refusal
  constructor(reason: string, message: string) {
    super(message)
    this.refusal = { reason, message }
  }
}

/** The result, or the refusal that was thrown on the way to it. */
export function orRefusal<T>(decide: () => T): T | Refusal {
  try {
    return decide()
  } catch (error) {
    if (error instanceof Refused) return error.refusal
    throw error
  }
}

/** The text of a configuration file. Bytes that are not UTF-8 cannot be edited without harm. */
export function textOf(path: string, bytes: Buffer | undefined): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes ?? Buffer.alloc(0))
  } catch {
    throw new Refused(
      'ConfigNotText',
      `${path} is not UTF-8 text: Drydock leaves it alone; save it as UTF-8 and try again`,
    )
  }
}

export function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b)
}
