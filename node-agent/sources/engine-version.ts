/** What an engine's program says of itself, while it is not the one that runs. */
import { programTimeoutMs } from '../engines/programs.ts'
import { Refused } from '../engines/refused.ts'
import type { Host } from '../host/host.ts'

/**
 * "containerd github.com/containerd/containerd/v2 v2.3.7 1b2c" → "2.3.7"; "crio version 1.37.0" → "1.37.0". Throws Refused
 * when the program does not run here: it was built for another machine, or for newer libraries.
 */
export async function engineVersion(host: Host, program: string): Promise<string> {
  const ran = await host.run([program, '--version'], { timeoutMs: programTimeoutMs }).catch((error: Error) => ({
    stdout: '',
    stderr: error.message,
  }))
  const version = /(?:^|\s)v?(\d+\.\d+\.\d+\S*)/.exec(ran.stdout)?.[1]
  if (version !== undefined) return version
  const said = (ran.stderr || ran.stdout).trim().replaceAll(/\s+/g, ' ').slice(-300)
  throw new Refused(
    'ProgramMissing',
    `${program} does not run on this node (${said}): take the one for ${process.arch}, statically linked if there is a choice`,
  )
}
