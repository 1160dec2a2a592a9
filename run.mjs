// Starts a TypeScript entry point of this repository on the Node that the lock file pins, installing the
// dependencies first when they are missing or older than the lock file.
//
// Plain JavaScript without dependencies, because it is the one file that a fresh clone runs on whatever
// Node the machine has: `node run.mjs hack/help.ts [argument ...]`.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = import.meta.dirname ?? process.cwd()
const stamp = join(root, 'node_modules/.drydock-lock')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

const run = (command, args) => {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) console.error(`drydock: cannot start ${command}: ${error.message}`)
  return status ?? (signal === 'SIGINT' ? 130 : 1)
}

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('drydock: installing dependencies ...')
  // Not `npm ci`: it refuses the lock file where a registry lacks the tools' builds for other platforms.
  const failed = run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'])
  if (failed) {
    console.error('drydock: npm install failed; it needs npm 10 or newer and a reachable npm registry')
    process.exit(failed)
  }
  writeFileSync(stamp, lock)
}

const [entry, ...args] = process.argv.slice(2)
if (!entry) {
  console.error('usage: node run.mjs ENTRY.ts [argument ...]')
  process.exit(2)
}
const bin = join(root, 'node_modules/.bin')
process.env['PATH'] = `${bin}:${process.env['PATH'] ?? ''}`
process.exit(run(join(bin, 'node'), [join(root, entry), ...args]))
