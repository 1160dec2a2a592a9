/** Shows what happens on the nodes while it happens: a table that is drawn again, or a line for each change. */

import { createInterface } from 'node:readline'
import { table } from '../../cli/render/table.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Show } from './show.ts'

interface Watched {
  readonly resource: string
  readonly fields: readonly string[]
}

const profile: Watched = { resource: 'runtimeprofiles', fields: ['.status.message'] }
const runtimes = (field: string): Watched => ({
  resource: 'noderuntimes',
  fields: ['.status.phase', '.status.action', field, '.status.message'],
})
const nodes: Watched = { resource: 'nodes', fields: ['.spec.unschedulable'] }

/** Not a tab: kubectl turns tabs into columns of blanks. */
const separator = '¦'

const jsonpath = (fields: readonly string[]) =>
  `{.metadata.name}${fields.map((field) => `{"${separator}"}{${field}}`).join('')}{"\\n"}`

export interface Live {
  stop(): void
}

export const showLive = (cluster: Cluster, { watched }: Show, log: (line: string) => void): Live => {
  const profileRows = new Map<string, readonly string[]>()
  const runtimeRows = new Map<string, readonly string[]>()
  const cordoned = new Map<string, readonly string[]>()
  const terminal = process.stdout.isTTY === true
  let drawn = 0

  const draw = () => {
    const rows = [...runtimeRows]
      .sort()
      .map(([name, [phase = '', action = '', value = '', message = '']]) => [
        name,
        cordoned.get(name)?.[0] === 'true' ? 'cordoned' : 'in service',
        phase,
        action,
        value,
        message.slice(0, 60),
      ])
    const text = [
      ...[...profileRows].map(([name, [message = '']]) => `${name}: ${message}`),
      table(['NODE', 'SERVICE', 'PHASE', 'ACTION', watched.title, 'MESSAGE'], rows),
    ].join('\n')
    process.stdout.write(`${drawn > 0 ? `\x1b[${drawn}A\x1b[J` : ''}${text}\n`)
    drawn = text.split('\n').length
  }

  const changed = (resource: string, rows: Map<string, readonly string[]>, [name = '', ...values]: string[]) => {
    if (rows.get(name)?.join() === values.join()) return
    rows.set(name, values)
    const said = values.filter((value) => value !== '')
    if (terminal) draw()
    else if (said.length > 0) log(`${resource}/${name}: ${said.join(' · ')}`)
  }

  const follow = ({ resource, fields }: Watched, rows: Map<string, readonly string[]>) => {
    const argv = ['get', resource, '--watch', '-o', `jsonpath=${jsonpath(fields)}`]
    const child = cluster.spawn([cluster.program('kubectl'), ...argv], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (child.stdout)
      createInterface({ input: child.stdout }).on('line', (line) => changed(resource, rows, line.split(separator)))
    return child
  }

  const children = [follow(profile, profileRows), follow(runtimes(watched.field), runtimeRows), follow(nodes, cordoned)]
  return { stop: () => children.forEach((child) => void child.kill()) }
}
