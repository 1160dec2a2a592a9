/** What the image stores of all engines have in common: programs that are run with an argument list, and told of when they fail. */
import type { Host } from '../host/host.ts'

/** What it printed. Throws a sentence with what it said when it fails. */
export async function runFor(host: Host, argv: readonly string[], timeoutMs: number): Promise<string> {
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs })
  if (code === 0) return stdout
  const said = (stderr.trim() || stdout.trim()).slice(-1000)
  throw new Error(`"${argv.join(' ').slice(0, 300)}" ended with code ${code}: ${said}`)
}

/** As images are named: an index may hold others for machines of other kinds, whose layers were never fetched. */
export const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
