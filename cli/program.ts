/** The command line: what can be asked, and how. Each command's code is loaded when it is asked for. */
import { writeFile } from 'node:fs/promises'
import { Command, CommanderError, Option } from 'commander'
import { version as apiVersion, group } from '../crds/protocol.ts'
import { type Answer, answer, exitCodes, UsageError } from './answer.ts'
import { connect } from './connect.ts'
import { explain } from './failure.ts'
import type { Paint } from './render/paint.ts'
import { version } from './version.ts'

export interface Terminal {
  readonly input: NodeJS.ReadableStream
  /** For standard output and standard error. Resolves when the text is out. */
  readonly print: (text: string) => Promise<void>
  readonly complain: (text: string) => Promise<void>
  readonly paint: Paint
  /** Characters in a line. */
  readonly width: number
}

const exits = `
Exit codes: ${exitCodes.good} all is well; ${exitCodes.bad} bad news (a file is wrong, a rollout is blocked); ${exitCodes.usage} wrong usage;
${exitCodes.none} no answer (no kubeconfig, no API server, Drydock not installed, no such object)
`

/** Carries out one command line, without the program's name. Resolves with the exit code. */
export const run = async (argv: readonly string[], terminal: Terminal): Promise<number> => {
  const program = describe(terminal, async ({ text, notes, code }, file) => {
    if (notes) await terminal.complain(notes)
    if (file === undefined) await terminal.print(text)
    else await save(file, text)
    ended = code
  })
  let ended: number = exitCodes.good
  try {
    await program.parseAsync(argv, { from: 'user' })
    return ended
  } catch (error) {
    // Commander has printed what it has to say: help, or what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.good : exitCodes.usage
    await terminal.complain(`drydock: ${explain(error)}\n`)
    return error instanceof UsageError ? exitCodes.usage : exitCodes.none
  }
}

const save = async (file: string, text: string): Promise<void> => {
  try {
    await writeFile(file, text)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(
      `cannot write ${file} (${code}): name a file in a folder that exists and that you may write to`,
    )
  }
}

type Deliver = (answer: Answer, file?: string) => Promise<void>

const describe = (terminal: Terminal, deliver: Deliver): Command => {
  const program = new Command('drydock')
    .description(
      'Looks at the container runtime of the nodes of a cluster, as Drydock keeps it. Of it all, only node changes anything.',
    )
    .option('--kubeconfig <path>', 'kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.print(text),
      writeErr: (text) => void terminal.complain(text),
    })
    .addHelpText('after', exits)
  const client = () => connect(program.opts<{ kubeconfig?: string }>().kubeconfig)
  const tools: Tools = { terminal, deliver, client }
  for (const add of commands) add(program, tools)
  return program
}

interface Tools {
  readonly terminal: Terminal
  readonly deliver: Deliver
  readonly client: () => ReturnType<typeof connect>
}

const textOrJson = () => new Option('-o, --output <format>', 'format').choices(['text', 'json']).default('text')

interface TextOrJson {
  readonly output: 'text' | 'json'
}

const addStatus = (program: Command, { terminal, deliver, client }: Tools): void => {
  program
    .command('status')
    .description('each profile with the sentence that says where it is, each node with its phase')
    .addOption(textOrJson())
    .action(async ({ output }: TextOrJson) => {
      const { status } = await import('./commands/status.ts')
      await deliver(await status(await client(), { output, paint: terminal.paint }))
    })
}

const addPlan = (program: Command, { terminal, deliver, client }: Tools): void => {
  program
    .command('plan [node]')
    .description('what the current order changes on each node, as a diff, and what it disrupts')
    .addOption(textOrJson())
    .action(async (node: string | undefined, { output }: TextOrJson) => {
      const { plan } = await import('./commands/plan.ts')
      await deliver(await plan(await client(), { node, output, paint: terminal.paint }))
    })
}

interface ReportOptions {
  readonly output: 'md' | 'json' | 'html'
  readonly outputFile?: string
  readonly list?: true
}

const addReport = (program: Command, { terminal, deliver, client }: Tools): void => {
  program
    .command('report [name]')
    .description('a MigrationReport, by default the newest')
    .addOption(new Option('-o, --output <format>', 'format').choices(['md', 'json', 'html']).default('md'))
    .option('--output-file <file>', 'write it there; the html page needs nothing else beside it')
    .option('--list', 'list all reports, newest first: as a table, or as json')
    .action(async (name: string | undefined, { output, outputFile, list }: ReportOptions) => {
      if (list && name !== undefined) throw new UsageError('--list lists all reports: leave the name out')
      if (list && output === 'html') throw new UsageError('--list gives a table or json: a page is of one report')
      const { listReports, report } = await import('./commands/report.ts')
      const connected = await client()
      const answered = list ? listReports(connected, output, terminal.paint) : report(connected, name, output)
      await deliver(await answered, outputFile)
    })
}

interface PreflightOptions extends TextOrJson {
  readonly profile?: string
  readonly node?: string[]
}

const addPreflight = (program: Command, { terminal, deliver, client }: Tools): void => {
  program
    .command('preflight')
    .description(
      'what stands in the way of a rollout: disruption budgets, pods that no drain moves, engine sockets in use',
    )
    .option('--profile <name>', 'only the nodes that this profile selects, with its drain settings')
    .addOption(new Option('--node <name...>', 'only these nodes').conflicts('profile'))
    .addOption(textOrJson())
    .action(async ({ profile, node, output }: PreflightOptions) => {
      const { preflight } = await import('./commands/preflight.ts')
      const { paint, width } = terminal
      await deliver(await preflight(await client(), { profile, nodes: node, output, paint, width }))
    })
}

const addCheck = (program: Command, { terminal, deliver }: Tools): void => {
  program
    .command('check <file...>')
    .description(
      'judges RuntimeProfiles in YAML or JSON files (- is standard input) as the API server would, without one',
    )
    .action(async (files: string[]) => {
      const { checkFiles } = await import('./commands/check.ts')
      await deliver(await checkFiles(files, terminal.input))
    })
}

/** What `drydock node` says of itself. */
const nodeHelp = `
It works on the machine that it runs on, as root, and keeps its journal in /var/lib/drydock as a cluster's agent does: a change that is not
proven is undone, and one that a power cut has cut off is brought to an end by the next command. Nothing does that at boot
by itself. The first Ctrl-C undoes what is under way.

The proof runs pods of an image that must come from somewhere: without --image it is the agent's, of this version of Drydock, pulled by the engine.
Where no registry has it, or the pause image, name archives of them (OCI or docker; CRI-O needs podman or skopeo on the machine, and docker archives).
`

interface NodeOptions extends TextOrJson {
  readonly image?: string
  readonly imageArchive?: string[]
  readonly dryRun?: true
  readonly yes?: true
}

const onMachine = (command: Command): Command =>
  command
    .option('--image <ref>', "image for the pods of the proof (default: the agent's, of this version)")
    .option('--image-archive <file...>', 'archives with images that no registry has to have')
    .addOption(textOrJson())

const addNode = (program: Command, { terminal, deliver }: Tools): void => {
  const { complain, input, paint } = terminal
  const screen = { complain, input, paint }
  const node = program
    .command('node')
    .description('one machine without a cluster: install, change, prove or restore its container engine')
    .addHelpText('after', nodeHelp)
  const yes = ['--yes', 'also when pods still run here that the change removes'] as const
  const dryRun = ['--dry-run', 'only show what would change, as a diff'] as const
  onMachine(node.command('apply <file>'))
    .description('makes this machine what a RuntimeProfile says; its nodeSelector and rollout do not count here')
    .option(...dryRun)
    .option(...yes)
    .action(async (file: string, options: NodeOptions) => {
      const { applyNode } = await import('./commands/node-change.ts')
      await deliver(await applyNode(file, options, screen))
    })
  onMachine(node.command('restore'))
    .description('puts back what was here before Drydock, byte for byte')
    .option(...dryRun)
    .option(...yes)
    .action(async (options: NodeOptions) => {
      const { restoreNode } = await import('./commands/node-change.ts')
      await deliver(await restoreNode(options, screen))
    })
  onMachine(node.command('verify'))
    .description('proves the engine that is here by pods; a kubelet rests for those seconds, and its pods run on')
    .action(async (options: NodeOptions) => {
      const { verifyNode } = await import('./commands/node-verify.ts')
      await deliver(await verifyNode(options, screen))
    })
  node
    .command('status')
    .description('what is on this machine, and what Drydock has changed')
    .addOption(textOrJson())
    .action(async ({ output }: TextOrJson) => {
      const { statusOfNode } = await import('./commands/node-status.ts')
      await deliver(await statusOfNode(output, paint))
    })
}

const addVersion = (program: Command, { deliver }: Tools): void => {
  program
    .command('version')
    .description('the version of this program and of the API that it speaks')
    .action(() => deliver(answer(`drydock ${version()}, API ${group}/${apiVersion}\n`)))
}

const commands = [addStatus, addPlan, addReport, addPreflight, addCheck, addNode, addVersion] as const
