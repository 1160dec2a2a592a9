import { parseArgs } from 'node:util'
import { UsageError, wrongUsage } from '../support/command-line.ts'
import { bringUp } from './bring-up.ts'
import { commandLineOf } from './command-line.ts'
import type { CgroupDriver } from './containerd-config.ts'
import type { NodeSpec } from './node-files.ts'
import { isNodeKind, nodeKinds } from './node-kind.ts'
import { PrerequisiteError } from './prerequisites.ts'
import type { Log } from './progress.ts'
import { attach, type Cluster, inForeground } from './running-cluster.ts'
import { type Settings, settingsFrom } from './settings.ts'
import { clusterNames, defaultName } from './state.ts'
import { takeDown } from './take-down.ts'

const usage = `A real Kubernetes cluster on this computer: nodes are machines of systemd-nspawn, the network is their own.

npm run cluster -- [--name CLUSTER] COMMAND        (CLUSTER is ${defaultName} unless named)

  up [--nodes N] [--node NAME=KIND]... [--cgroup-driver cgroupfs|systemd] [--control-plane KIND] [--offers]
                       build what is missing and bring the cluster up: one control-plane node and N workers (2),
                       or the workers named; with --offers nodes can get archives of engines and a newer package of
                       containerd from this computer
  status               nodes, their kinds, addresses and whether they are on
  kubectl ARG...       kubectl as cluster-admin
  helm ARG...          helm as cluster-admin
  exec NODE -- CMD...  run a program on the node as root
  kill NODE            cut the node's power
  start NODE           boot a node that is off, and wait until it is Ready
  logs [NODE]          the last lines of the nodes' journals
  load ARCHIVE...      import image archives (Docker's or OCI's) into the nodes' engines
  push ARCHIVE NAME    put an image archive into the cluster's registry
  down [--all]         end the cluster (all clusters) and remove everything of it

Kinds of nodes:
${Object.entries(nodeKinds)
  .map(([name, { meaning }]) => `  ${name.padEnd(21)}${meaning}`)
  .join('\n')}

DRYDOCK_TESTBED_CACHE  folder for what is costly to make (/var/cache/drydock-testbed)
DRYDOCK_TESTBED_BIN    folder with ready programs: those to use in place of a build (hyperkube; containerd,
                       containerd-shim-runc-v2, ctr), and those that no package has (cri-dockerd; crio, pinns, conmon)

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 this computer lacks something; kubectl, helm and exec end with their program's own.`

interface Call {
  settings: Settings
  name: string
  args: string[]
  log: Log
}

type Command = (call: Call) => Promise<number>

const commands: Record<string, Command> = {
  up,
  down,
  status,
  kubectl: (call) => program('kubectl', call),
  helm: (call) => program('helm', call),
  exec,
  kill: async ({ args, ...call }) => {
    await (await clusterOf(call)).kill(only(args, 'kill NODE'))
    return 0
  },
  start: async ({ args, ...call }) => {
    const cluster = await clusterOf(call)
    const node = only(args, 'start NODE')
    await cluster.start(node)
    const spec = cluster.nodes.find(({ name }) => name === node)!
    if (nodeKinds[spec.kind].engine) await cluster.waitReady([node])
    return 0
  },
  logs,
  load: async ({ args, ...call }) => {
    if (args.length === 0) throw new UsageError('load ARCHIVE...: name at least one archive')
    await (await clusterOf(call)).load(args)
    return 0
  },
  push: async ({ args: [archive, image, ...more], ...call }) => {
    if (!archive || !image || more.length > 0)
      throw new UsageError('push ARCHIVE NAME: for instance push agent.tar drydock/agent:dev')
    console.log(await (await clusterOf(call)).push(archive, image))
    return 0
  },
}

async function up({ settings, name, args, log }: Call): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      nodes: { type: 'string' },
      node: { type: 'string', multiple: true },
      // The release that workers are of unless named: one base to build instead of two.
      'control-plane': { type: 'string', default: 'debian12' },
      'cgroup-driver': { type: 'string', default: 'cgroupfs' },
      offers: { type: 'boolean', default: false },
    },
  })
  if (values.nodes !== undefined && values.node) throw new UsageError('--nodes N or --node NAME=KIND, not both')
  const count = Number(values.nodes ?? 2)
  if (!Number.isInteger(count) || count < 0) throw new UsageError(`--nodes ${values.nodes}: write a number of workers`)
  const workers = values.node ?? Array.from({ length: count }, (_, index) => `worker-${index + 1}=debian12`)
  const cgroupDriver = values['cgroup-driver']
  if (!isCgroupDriver(cgroupDriver)) throw new UsageError(`--cgroup-driver ${cgroupDriver}: cgroupfs or systemd`)
  const nodes = [
    nodeOf(`control-plane=${values['control-plane']}`, true),
    ...workers.map((worker) => nodeOf(worker, false)),
  ]
  const { offers } = values
  const cluster = await bringUp({ name, nodes, cgroupDriver, offers, log, settings })
  log(`cluster ${name} is up: Kubernetes ${cluster.version}, npm run cluster -- --name ${name} kubectl get nodes`)
  return 0
}

function nodeOf(text: string, controlPlane: boolean): NodeSpec {
  const [, name = '', kind = ''] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (!isNodeKind(kind)) {
    throw new UsageError(`node ${text}: write NAME=KIND, KIND one of ${Object.keys(nodeKinds).join(', ')}`)
  }
  return { name, kind, controlPlane }
}

function isCgroupDriver(text: string): text is CgroupDriver {
  return text === 'cgroupfs' || text === 'systemd'
}

async function down({ settings, name, args, log }: Call): Promise<number> {
  const { values } = parseArgs({ args, options: { all: { type: 'boolean', default: false } } })
  for (const each of values.all ? await clusterNames(settings) : [name]) await takeDown(settings, each, log)
  return 0
}

async function status(call: Call): Promise<number> {
  const cluster = await clusterOf(call)
  console.log(`cluster ${cluster.name}, Kubernetes ${cluster.version}\n`)
  for (const { name, kind, controlPlane } of cluster.nodes) {
    const power = (await cluster.isOn(name)) ? 'on' : 'off'
    const role = controlPlane ? 'control plane' : 'worker'
    console.log([name.padEnd(16), kind.padEnd(22), cluster.addressOf(name).padEnd(14), power.padEnd(4), role].join(' '))
  }
  console.log(
    `\nregistry    ${cluster.registry}\nkubeconfig  ${cluster.kubeconfigPath}\nnetwork     ${cluster.netns}\n`,
  )
  const { stdout, stderr } = await cluster.kubectl(['get', 'nodes', '-o', 'wide'], { timeout: 10_000 })
  console.log((stdout || stderr).trimEnd())
  return 0
}

async function program(name: 'kubectl' | 'helm', call: Call): Promise<number> {
  const cluster = await clusterOf(call)
  return inForeground(cluster.spawn([cluster.program(name), ...call.args], { stdio: 'inherit' }))
}

async function exec({ args, ...call }: Call): Promise<number> {
  const [node, separator, ...argv] = args
  if (!node || separator !== '--' || argv.length === 0) throw new UsageError('exec NODE -- CMD...')
  return (await clusterOf(call)).execHere(node, argv)
}

async function logs({ args, ...call }: Call): Promise<number> {
  const cluster = await clusterOf(call)
  const nodes = args.length > 0 ? [only(args, 'logs [NODE]')] : cluster.nodes.map(({ name }) => name)
  for (const node of nodes) {
    if (nodes.length > 1) console.log(`--- ${node} ---`)
    console.log((await cluster.logs(node, nodes.length > 1 ? 40 : 300)).trimEnd())
  }
  return 0
}

function clusterOf({ settings, name }: Pick<Call, 'settings' | 'name'>): Promise<Cluster> {
  return attach(name, settings)
}

function only(args: readonly string[], shape: string): string {
  const [first, ...more] = args
  if (!first || more.length > 0) throw new UsageError(shape)
  return first
}

async function main(argv: readonly string[]): Promise<number> {
  const { command: word, name, rest } = commandLineOf(argv)
  if (['--help', '-h', 'help'].includes(word)) {
    console.log(usage)
    return 0
  }
  const command = commands[word]
  if (!command) throw new UsageError(`${word} is no command`)
  return command({ settings: settingsFrom(process.env), name, args: [...rest], log: (line) => console.error(line) })
}

function exitCodeOf(error: unknown): number {
  if (error instanceof PrerequisiteError) return 3
  return wrongUsage(error) === undefined ? 1 : 2
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const code = exitCodeOf(error)
    console.error(`cluster: ${wrongUsage(error) ?? (error as Error).message}`)
    if (code === 2) console.error('npm run cluster -- --help says more')
    // At once: a build that runs beside what failed ends with this process.
    process.exit(code)
  },
)
