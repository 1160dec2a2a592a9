/** Programs of the suites that run on a node of the test bed, in the Node that the installed engine runs in. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundle } from '../../images/bundle.ts'
import type { Cluster } from '../cluster/cluster.ts'

/** Where they lie on the node. */
export const programFolder = '/opt/drydock-tests'
const root = join(import.meta.dirname, '../..')

const installMs = 120_000

/**
 * The command line of the installed engine without its program: the same Node with the same flags. The agent installs it
 * after Helm has ended.
 */
async function engineNode(cluster: Cluster, node: string): Promise<readonly string[]> {
  const unit = join(cluster.rootOf(node), 'etc/systemd/system/drydock-engine.service')
  const giveUp = Date.now() + installMs
  while (!existsSync(unit) && Date.now() < giveUp) await sleep(500)
  const [, command] = /^ExecStart=(.*) \S+\/engine\.cjs$/m.exec(readFileSync(unit, 'utf8')) ?? []
  if (!command) throw new Error(`${unit} has no ExecStart that runs engine.cjs`)
  return command.split(' ')
}

/** Bundles a program and puts it on the node. Gives the command that runs it there. Drydock must be installed. */
export async function installProgram(cluster: Cluster, node: string, entry: string): Promise<readonly string[]> {
  const name = entry.replace(/^.*\/|\.ts$/g, '')
  const { code } = await bundle({ name, entry }, root, 'test')
  const folder = join(cluster.rootOf(node), programFolder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.cjs`), code)
  return [...(await engineNode(cluster, node)), `${programFolder}/${name}.cjs`]
}
