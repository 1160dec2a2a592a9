/**
 * `npm run demo`: a real cluster on this machine, Drydock installed by Helm, and a pool of workers changed under a workload
 * that must not miss a request. Ends non-zero when anything that it claims is not true.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reportHtml } from '../../cli/render/html/report.ts'
import { reportMarkdown } from '../../cli/render/report-markdown.ts'
import type { MigrationReport } from '../../crds/types.gen.ts'
import { bringUp, type Cluster, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { UsageError, wrongUsage } from '../support/command-line.ts'
import { apply, drydockImages, installDrydock, kubectl } from '../support/install.ts'
import { type ClientResult, claims } from './checks.ts'
import { driver } from './driver.ts'
import { showLive } from './live.ts'
import { migration } from './migration.ts'
import type { Show } from './show.ts'
import { nodePort, workload } from './workload.ts'

const usage = `npm run demo [-- migration] [--keep] [--name CLUSTER]

Brings up a real cluster (control plane and workers), installs Drydock, applies a RuntimeProfile, shows what happens and
checks it. Needs root on a Debian machine with Node, npm and Go; it installs the rest.

  migration  workers on Docker and on containerd 1.7 go to containerd 2.3; without it, cgroupfs to systemd and crun.
             Docker's needs cri-dockerd in the folder that DRYDOCK_TESTBED_BIN names
  --keep     leave the cluster up: npm run cluster -- --name demo kubectl get rp,noderuntimes,migrationreports
  --name     name of the cluster (demo)

Exit codes: 0 all was shown and is true, 1 something is not, 2 wrong usage, 3 something could not be shown here.`

const pool = { pool: 'workers' }
const reportFile = 'dist/demo-report.html'

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

const install = async (cluster: Cluster, { workers }: Show, images: readonly string[]) => {
  heading('helm install drydock, and a workload that must not miss a request')
  await cluster.load(images)
  await kubectl(cluster, ['label', 'node', ...workers.map(({ name }) => name), 'pool=workers'])
  await Promise.all([apply(cluster, ...workload(pool)), installDrydock(cluster)])
  await kubectl(cluster, ['rollout', 'status', 'deployment/shop', '--timeout=60s'])
  log('Drydock is installed, the shop is open')
}

const change = async (cluster: Cluster, show: Show): Promise<readonly [MigrationReport, ClientResult]> => {
  const endClient = startClient(cluster)
  heading(`kubectl apply: ${show.change}`)
  const live = showLive(cluster, show, log)
  await apply(cluster, {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'RuntimeProfile',
    metadata: { name: 'workers' },
    spec: {
      nodeSelector: { matchLabels: pool },
      ...(await show.spec(cluster)),
      rollout: { maxUnavailable: 1, drain: { timeout: '2m' } },
    },
  })
  await kubectl(cluster, ['wait', '--for=condition=Ready', 'runtimeprofile/workers', '--timeout=8m'])
  const report = await newestReport(cluster)
  live.stop()
  return [report, await endClient()]
}

const perform = async (show: Show, name: string): Promise<boolean> => {
  heading(show.heading)
  const workers = show.workers.map((worker) => ({ ...worker, controlPlane: false }))
  const controlPlane = { name: 'control-plane', kind: show.controlPlane, controlPlane: true }
  const [cluster, images] = await Promise.all([
    bringUp({ name, nodes: [controlPlane, ...workers], offers: show.offers, log: console.log }),
    drydockImages(console.log),
  ])
  await install(cluster, show, images)
  const [report, client] = await change(cluster, show)
  heading('What the cluster says')
  console.log(await kubectl(cluster, ['get', 'runtimeprofiles,noderuntimes,migrationreports']))
  heading(`kubectl drydock report ${report.metadata.name}`)
  console.log(reportMarkdown(report))
  heading('Is it true?')
  const checked = await claims(cluster, show, report, client)
  for (const { text, holds } of checked) console.log(`${holds ? '  yes ' : '  NO  '} ${text}`)
  await mkdir('dist', { recursive: true })
  await writeFile(reportFile, reportHtml(report))
  return checked.every(({ holds }) => holds)
}

const showOf = async ([name, ...more]: readonly string[]): Promise<Show> => {
  if (name === undefined) return driver
  if (name !== 'migration' || more.length > 0)
    throw new UsageError(`${[name, ...more].join(' ')}: there is only migration`)
  return migration(settingsFrom(process.env))
}

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
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
  const show = await showOf(positionals)
  const down = () => takeDown(settingsFrom(process.env), values.name, () => undefined)
  process.once('SIGINT', () => void down().finally(() => process.exit(130)))
  try {
    const good = await perform(show, values.name)
    console.log(
      `\n${good ? 'All of it is true' : 'Something of it is NOT true'}; ${((Date.now() - started) / 1000).toFixed(0)} s in all.`,
    )
    console.log(`The report as a page: ${join(process.cwd(), reportFile)}`)
    if (show.notShown) console.log(show.notShown)
    if (!good) return 1
    return show.notShown ? 3 : 0
  } finally {
    if (values.keep)
      console.log(
        `The cluster stays: npm run cluster -- --name ${values.name} kubectl get nodes; end it with npm run cluster -- down --name ${values.name}`,
      )
    else await down()
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    const usageMessage = wrongUsage(error)
    console.error(`drydock demo: ${usageMessage ?? error.message}`)
    process.exit(usageMessage === undefined ? 1 : 2)
  },
)
