/** A cluster with Drydock in it, and the words in which scenarios speak of it. */
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type t from 'tap'
import type { MigrationReport, NodeRuntime, RuntimeProfile, RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { type Cluster, type Output, succeeded } from '../../cluster/cluster.ts'
import { kubectl, namespace } from '../../support/install.ts'

export type Test = typeof t
export interface Node {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> }
  spec: { unschedulable?: boolean }
  status: { nodeInfo: { bootID: string } }
}

/** One request that changed something, as the API server wrote it down. */
export interface Write {
  readonly verb: string
  readonly user: string
  readonly resource: string
  readonly name: string
}

interface AuditEvent {
  verb: string
  user: { username: string }
  objectRef?: { resource?: string; subresource?: string; name?: string }
  responseStatus?: { code?: number }
}

export const managedFiles = [
  '/etc/containerd/config.toml',
  '/var/lib/kubelet/config.yaml',
  '/var/lib/kubelet/kubeadm-flags.env',
]
const services = ['containerd.service', 'kubelet.service']
export const busybox = 'docker.io/library/busybox:1.36'

/** What must be the same again when nothing was to happen to a node. */
export interface NodeState {
  readonly files: string
  readonly invocations: string
  readonly boot: string
}

export class Bed {
  readonly cluster: Cluster
  readonly workers: readonly string[]

  constructor(cluster: Cluster) {
    this.cluster = cluster
    this.workers = cluster.nodes.filter(({ controlPlane }) => !controlPlane).map(({ name }) => name)
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl(this.cluster, args)
  }

  /** Runs a shell script on a node and gives what it printed. Throws when it fails. */
  async shell(node: string, script: string): Promise<string> {
    const argv = ['sh', '-euc', script]
    return succeeded([`(${node})`, ...argv], await this.cluster.exec(node, argv, { timeout: 60_000 }))
  }

  tryShell(node: string, script: string): Promise<Output> {
    return this.cluster.exec(node, ['sh', '-euc', script], { timeout: 60_000 })
  }

  async get<T>(resource: string, name: string): Promise<T> {
    return JSON.parse(await this.kubectl('get', resource, name, '-o', 'json')) as T
  }

  async list<T>(resource: string, ...args: readonly string[]): Promise<readonly T[]> {
    return (JSON.parse(await this.kubectl('get', resource, '-o', 'json', ...args)) as { items: T[] }).items
  }

  node(name: string): Promise<Node> {
    return this.get('node', name)
  }

  runtime(node: string): Promise<NodeRuntime> {
    return this.get('noderuntime', node)
  }

  profile(name: string): Promise<RuntimeProfile> {
    return this.get('runtimeprofile', name)
  }

  /** The last report of a profile, waited for until it is complete. */
  async report(profile: string): Promise<MigrationReport> {
    return until(`a complete report of ${profile}`, async () => {
      const all = await this.list<MigrationReport>('migrationreports')
      const own = all.filter(({ spec }) => spec.profile === profile)
      const last = own.toSorted((a, b) => (age(a) < age(b) ? -1 : 1)).at(-1)
      return last?.status?.completionTime ? last : undefined
    })
  }

  /** Waits as a user would. */
  async ready(profile: string, timeout = '150s'): Promise<void> {
    await this.kubectl('wait', '--for=condition=Ready', `runtimeprofile/${profile}`, `--timeout=${timeout}`)
  }

  /** The one sentence that says why it does not go on. */
  async stalled(profile: string, timeout = '150s'): Promise<string> {
    await this.kubectl('wait', '--for=condition=Stalled', `runtimeprofile/${profile}`, `--timeout=${timeout}`)
    return (await this.profile(profile)).status?.message ?? ''
  }

  async phase(node: string, ...wanted: readonly string[]): Promise<string> {
    return until(`${node} ${wanted.join(' or ')}`, async () => {
      const { spec, status } = await this.runtime(node)
      const isAnswer = status?.revision === spec?.revision && status?.attempt === spec?.attempt
      return isAnswer && wanted.includes(status?.phase ?? '') ? status?.phase : undefined
    })
  }

  async state(node: string): Promise<NodeState> {
    const show = services.map((unit) => `systemctl show -P InvocationID ${unit}`).join('; ')
    const [hashes, invocations, boot] = await Promise.all([
      this.shell(node, `for f in ${managedFiles.join(' ')}; do ! test -e $f || sha256sum $f; done`),
      this.shell(node, show),
      this.shell(node, 'cat /proc/sys/kernel/random/boot_id'),
    ])
    return { files: hashes, invocations, boot }
  }

  async drivers(node: string): Promise<{ kubelet: string; engine: string }> {
    const kubelet = await this.shell(node, "sed -n 's/^cgroupDriver: //p' /var/lib/kubelet/config.yaml")
    const engine = await this.shell(
      node,
      "sed -n 's/.*SystemdCgroup = \\([a-z]*\\).*/\\1/p' /etc/containerd/config.toml | sort -u",
    )
    return { kubelet: kubelet.trim(), engine: engine.trim().split('\n').join() }
  }

  /** Puts a file on a node. */
  async write(node: string, path: string, text: string, mode = '0644'): Promise<void> {
    const argv = ['sh', '-euc', 'mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"', 'sh', path, mode]
    succeeded(argv, await this.cluster.exec(node, argv, { input: text }))
  }

  /** The end of the audit log: what is written from now on is what comes after it. */
  mark(): number {
    return statSync(this.cluster.auditLogPath).size
  }

  /** What Drydock has written since, Leases and evictions aside. */
  async writes(since: number): Promise<readonly Write[]> {
    const file = await open(this.cluster.auditLogPath)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(this.mark() - since), 0, undefined, since)
      const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
      return lines.filter((line) => line.includes(`system:serviceaccount:${namespace}:`)).flatMap(writeOf)
    } finally {
      await file.close()
    }
  }

  async leave(...profiles: readonly string[]): Promise<void> {
    const argv = ['delete', 'runtimeprofile', ...profiles, '--ignore-not-found', '--timeout=180s']
    await this.kubectl(...argv)
  }

  /** What a person would look at when something is wrong. */
  async diagnosis(): Promise<string> {
    const ask = async (...args: readonly string[]) => {
      const { stdout, stderr } = await this.cluster.kubectl(args, { timeout: 20_000 })
      return `$ kubectl ${args.join(' ')}\n${stdout}${stderr}`
    }
    const { items } = JSON.parse(
      (await this.cluster.kubectl(['get', 'noderuntimes', '-o', 'json'])).stdout || '{"items":[]}',
    ) as {
      items: NodeRuntime[]
    }
    const answers = items.map(({ metadata, spec, status }) => {
      const { changes: _, steps, verification, observed: __, conditions: ___, ...rest } = status ?? {}
      const { target: ____, ...order } = spec ?? { permit: 'Observe' }
      const proof = verification && { passed: verification.passed, message: verification.message }
      const took = steps?.map(({ name, durationMilliseconds }) => `${name} ${durationMilliseconds}`).join(', ')
      return `${metadata.name}: ${JSON.stringify({ order, status: { ...rest, proof, took } })}`
    })
    const engines = this.workers.map(async (node) => {
      return `--- ${node}: journalctl -u drydock-engine\n${await this.cluster.logs(node, 25, ['drydock-engine', 'drydock-boot'])}`
    })
    const all = await Promise.all([
      ask('get', 'nodes,runtimeprofiles,noderuntimes,migrationreports'),
      ask('get', 'pods', '-A', '-o', 'wide'),
      Promise.resolve(answers.join('\n')),
      ask('logs', '-n', namespace, '-l', 'app.kubernetes.io/component=operator', '--tail=25'),
      ...engines,
    ])
    return all.join('\n')
  }
}

const age = ({ metadata }: MigrationReport): string =>
  `${(metadata as { creationTimestamp?: string }).creationTimestamp} ${metadata.name}`

const writeVerbs = ['create', 'update', 'patch', 'delete', 'deletecollection']

function writeOf(line: string): Write[] {
  let event: AuditEvent
  try {
    event = JSON.parse(line) as AuditEvent
  } catch {
    // The log's last line may be half written.
    return []
  }
  const { resource = '', subresource, name = '' } = event.objectRef ?? {}
  const isCounted = writeVerbs.includes(event.verb) && resource !== 'leases' && subresource !== 'eviction'
  const path = subresource ? `${resource}/${subresource}` : resource
  return isCounted
    ? [{ verb: event.verb, user: event.user.username.split(':').at(-1) ?? '', resource: path, name }]
    : []
}

/** Asks until there is an answer. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, timeout = 120_000): Promise<T> {
  const end = Date.now() + timeout
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`${what} did not come within ${timeout / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** A profile for some nodes: all workers, or those that are named. */
export const profileOf = (
  name: string,
  nodes: readonly string[],
  spec: Partial<RuntimeProfileSpec>,
): RuntimeProfile => ({
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'RuntimeProfile',
  metadata: { name },
  spec: {
    nodeSelector: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [...nodes] }] },
    engine: { name: 'containerd' },
    verify: { timeout: '60s' },
    ...spec,
  },
})

export type Scenario = (t: Test, bed: Bed) => Promise<void>

/** Runs a scenario as a subtest; when it fails, it shows what a person would look at, and cleans up for the next. */
export async function play(t: Test, bed: Bed, name: string, scenario: Scenario): Promise<void> {
  await t.test(name, async (t) => {
    try {
      await scenario(t as Test, bed)
    } catch (error) {
      t.fail((error as Error).message)
    }
    if (t.passing()) return
    t.comment(await bed.diagnosis())
    await bed.cluster.kubectl(['delete', 'pods', '-l', 'scenario=loose', '--grace-period=0', '--force'])
    await bed.cluster.kubectl(['delete', 'runtimeprofiles', '--all', '--timeout=90s'])
  })
}
