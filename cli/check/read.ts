/** The text of a file that a person names. */
import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { UsageError } from '../answer.ts'
import type { Source } from './check.ts'

/** `-` is standard input. */
export const read = async (name: string, input: NodeJS.ReadableStream): Promise<Source> => {
  if (name === '-') return { name, text: await readAll(input) }
  try {
    return { name, text: await readFile(name, 'utf8') }
  } catch (error) {
    throw new UsageError(`cannot read ${name} (${(error as NodeJS.ErrnoException).code}): name a YAML or JSON file`)
  }
}
