/**
 * `npm run demo`: a real cluster on this machine, Drydock installed by Helm, and a pool of two workers taken from the
 * cgroupfs driver to systemd with crun added, under a workload that must not miss a request. Ends non-zero when
 * anything that it claims is not true.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reportMarkdown } from '../../cli/render/report-markdown.ts'
import type { MigrationReport } from '../../crds/types.gen.ts'
import { bringUp, type Cluster, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { apply, drydockImages, installDrydock, kubectl } from '../support/install.ts'
import { type ClientResult, claims } from './checks.ts'
import { showLive } from './live.ts'
import { nodePort, workload } from './workload.ts'

const usage = `npm run demo [-- --keep] [--name CLUSTER]

Brings up a real cluster (control plane and two workers), installs Drydock, applies a RuntimeProfile, shows what happens
and checks it. Needs root on a Debian machine with Node, npm and Go; it installs the rest.

  --keep   leave the cluster up: npm run cluster -- kubectl get rp,noderuntimes,migrationreports --name demo
  --name   name of the cluster (demo)`

const pool = { pool: 'workers' }
const workers = ['worker-1', 'worker-2']

const profile = {
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'RuntimeProfile',
  metadata: { name: 'workers' },
  spec: {
    nodeSelector: { matchLabels: pool },
    engine: { name: 'containerd' },
    cgroupDriver: 'systemd',
    handlers: [
      { name: 'runc', default: true },
      { name: 'crun', runtimeClass: {} },
    ],
    rollout: { maxUnavailable: 1, drain: { timeout: '2m' } },
  },
}

const started = Date.now()
const log = (line: string) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)
const heading = (text: string) => console.log(`\n── ${text}`)

/** The workload's client, inside the cluster's network; ending its input makes it report. */
const startClient = (cluster: Cluster) => {
  const url = `http://${cluster.addressOf(cluster.nodes[0]!.name)}:${nodePort}/`
  const child = cluster.spawn([process.execPath, join(import.meta.dirname, 'client.ts'), url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  return async (): Promise<ClientResult> => {
    child.stdin?.end()
    if (child.exitCode === null) await once(child, 'close')
    return JSON.parse(printed) as ClientResult
  }
}

const newestReport = async (cluster: Cluster): Promise<MigrationReport> => {
  await kubectl(cluster, [
    'wait',
    '--for=jsonpath={.status.completionTime}',
    'migrationreports',
    '--all',
    '--timeout=30s',
  ])
  const { items } = JSON.parse(await kubectl(cluster, ['get', 'migrationreports', '-o', 'json'])) as {
    items: MigrationReport[]
  }
  const [only, ...more] = items
  if (only === undefined || more.length > 0) throw new Error(`expected one MigrationReport, there are ${items.length}`)
  return only
}

const install = async (cluster: Cluster, images: readonly string[]) => {
  heading('helm install drydock, and a workload that must not miss a request')
  await cluster.load(images)
  await kubectl(cluster, ['label', 'node', ...workers, 'pool=workers'])
  await Promise.all([apply(cluster, ...workload(pool)), installDrydock(cluster)])
  await kubectl(cluster, ['rollout', 'status', 'deployment/shop', '--timeout=60s'])
  log('Drydock is installed, the shop is open')
}

const migrate = async (cluster: Cluster): Promise<readonly [MigrationReport, ClientResult]> => {
  const endClient = startClient(cluster)
  heading('kubectl apply: cgroupfs to systemd, and crun beside runc')
  const live = showLive(cluster, log)
  await apply(cluster, profile)
  await kubectl(cluster, ['wait', '--for=condition=Ready', 'runtimeprofile/workers', '--timeout=8m'])
  const report = await newestReport(cluster)
  live.stop()
  return [report, await endClient()]
}

const demo = async (name: string): Promise<boolean> => {
  heading('A real cluster: control plane and two workers')
  const [cluster, images] = await Promise.all([
    bringUp({
      name,
      nodes: [
        { name: 'control-plane', kind: 'debian12', controlPlane: true },
        { name: workers[0]!, kind: 'debian12', controlPlane: false },
        { name: workers[1]!, kind: 'debian13', controlPlane: false },
      ],
      log: console.log,
    }),
    drydockImages(console.log),
  ])
  await install(cluster, images)
  const [report, client] = await migrate(cluster)
  heading('What the cluster says')
  console.log(await kubectl(cluster, ['get', 'runtimeprofiles,noderuntimes,migrationreports']))
  heading(`kubectl drydock report ${report.metadata.name}`)
  console.log(reportMarkdown(report))
  heading('Is it true?')
  const checked = await claims(cluster, workers, report, client)
  for (const { text, holds } of checked) console.log(`${holds ? '  yes ' : '  NO  '} ${text}`)
  return checked.every(({ holds }) => holds)
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      name: { type: 'string', default: 'demo' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const down = () => takeDown(settingsFrom(process.env), values.name, () => undefined)
  process.once('SIGINT', () => void down().finally(() => process.exit(130)))
  try {
    const good = await demo(values.name)
    console.log(
      `\n${good ? 'All of it is true' : 'Something of it is NOT true'}; ${((Date.now() - started) / 1000).toFixed(0)} s in all.`,
    )
    return good ? 0 : 1
  } finally {
    if (values.keep)
      console.log(
        `The cluster stays: npm run cluster -- kubectl get nodes --name ${values.name}; end it with npm run cluster -- down --name ${values.name}`,
      )
    else await down()
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(`drydock demo: ${error.message}`)
    process.exit(1)
  },
)
