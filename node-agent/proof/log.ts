/** The container's log file, as the kubelet reads it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readyLine } from './contract.ts'
import { logPath } from './pod.ts'
import { poll } from './poll.ts'
import type { HandlerProof, Step } from './proof.ts'

/** RFC 3339 time, stream, F for a whole line, text. */
const criLine = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (stdout|stderr) F (.*)$/

export const logFile: Step<HandlerProof> = {
  name: 'LogFile',
  async run({ options, sandbox, remainingMs }) {
    const file = join(sandbox.logDirectory, logPath)
    let text: string | undefined
    const look = async (): Promise<true | undefined> => {
      text = await readFile(file, 'utf8').catch(() => undefined)
      const lines = (text ?? '').split('\n').map((line) => criLine.exec(line))
      return lines.some((line) => line?.[1] === 'stdout' && line[2] === readyLine(options.id)) ? true : undefined
    }
    await poll({ clock: options.clock, remainingMs }, look, () =>
      text === undefined
        ? `the engine wrote no log file ${file}`
        : `${file} has no line of the container in CRI format; it begins ${JSON.stringify(text.slice(0, 200))}`,
    )
  },
}
