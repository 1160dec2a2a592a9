/** The container's log file, as the kubelet reads it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readyLine, stayLine } from './contract.ts'
import { logPath } from './pod.ts'
import { poll } from './poll.ts'
import type { HandlerProof, Step } from './proof.ts'

/** RFC 3339 time, stream, F for a whole line, text. */
const criLine = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (stdout|stderr) F (.*)$/

export const logFile: Step<HandlerProof> = {
  name: 'LogFile',
  async run({ options, sandbox, remainingMs }) {
    const file = join(sandbox.logDirectory, logPath)
    const wanted = options.isWithoutNetwork ? stayLine(options.id) : readyLine(options.id)
    let text: string | undefined
    const look = async (): Promise<true | undefined> => {
      text = await readFile(file, 'utf8').catch(() => undefined)
      return (text ?? '').split('\n').some((line) => writtenTo(line) === wanted) ? true : undefined
    }
    await poll({ clock: options.clock, remainingMs }, look, () =>
      text === undefined
        ? `the engine wrote no log file ${file}`
        : `${file} has no line of the container in a format that the kubelet reads; it begins ${JSON.stringify(text.slice(0, 200))}`,
    )
  },
}

/** What the line says that the container wrote to stdout; undefined when it is neither in CRI format nor Docker's JSON. */
function writtenTo(line: string): string | undefined {
  const [, stream, text] = criLine.exec(line) ?? dockerLine(line)
  return stream === 'stdout' ? text : undefined
}

/** The path of the log leads to Docker's own file under cri-dockerd, and the kubelet reads that too. */
function dockerLine(line: string): readonly (string | undefined)[] {
  if (!line.startsWith('{')) return []
  try {
    const { log, stream } = JSON.parse(line) as { log?: unknown; stream?: unknown }
    return [line, String(stream), String(log).replace(/\n$/, '')]
  } catch {
    return []
  }
}
