/** One JavaScript file for each program, with everything that it imports. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

export interface Program {
  /** Name of the bundle without its ending. */
  readonly name: string
  /** Entry file, from the root of the repository. */
  readonly entry: string
  /** Whether it reads kubeconfigs, which costs 16 MB of memory: not inside a cluster. */
  readonly kubeconfig?: boolean
}

export interface Bundle extends Program {
  readonly code: Buffer
  /** Licences of what is bundled, as the sources state them. */
  readonly legal: Buffer
}

export const operatorPrograms: readonly Program[] = [{ name: 'operator', entry: 'operator/main.ts' }]

export const agentPrograms: readonly Program[] = [
  { name: 'courier', entry: 'node-agent/courier/main.ts' },
  { name: 'installer', entry: 'node-agent/installer/main.ts' },
  { name: 'engine', entry: 'node-agent/engine/main.ts' },
  { name: 'proof', entry: 'node-agent/proof/container.ts' },
]

const nodeMajor = 24

/** Runs before the program, on whatever Node the machine has: an older one would end in a stack trace. */
export const nodeGuard = `if (parseInt(process.versions.node) < ${nodeMajor}) {
  process.stderr.write('drydock needs Node ${nodeMajor} or newer, and this is ' + process.versions.node + ': install it, or put it first in PATH\\n')
  process.exit(3)
}`

/** The command line: one file for a machine with Node. */
export const commandLine: Program = { name: 'drydock', entry: 'cli/main.ts', kubeconfig: true }

/** Throws a sentence that names the entry when there is none, and esbuild's own when it cannot be bundled. */
export async function bundle(program: Program, root: string, version: string): Promise<Bundle> {
  const entry = join(root, program.entry)
  await access(entry).catch(() => {
    throw new Error(`there is no ${program.entry}, from which ${program.name}.cjs is made`)
  })
  const result = await build({
    absWorkingDir: root,
    entryPoints: [program.entry],
    outfile: `${program.name}.cjs`,
    bundle: true,
    write: false,
    platform: 'node',
    target: `node${nodeMajor}`,
    format: 'cjs',
    minify: true,
    // Names of classes and functions are read in logs and stack traces.
    keepNames: true,
    legalComments: 'external',
    external: program.kubeconfig ? [] : ['@kubernetes/client-node'],
    define: { DRYDOCK_VERSION: JSON.stringify(version) },
    logLevel: 'silent',
  })
  const file = (ending: string): Buffer =>
    Buffer.from(result.outputFiles.find(({ path }) => path.endsWith(ending))?.contents ?? '')
  return { ...program, code: file('.cjs'), legal: file('.LEGAL.txt') }
}
