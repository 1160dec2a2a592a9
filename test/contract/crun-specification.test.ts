/** What we believe of crun and the version of a container, asked of the crun programs that the test bed has. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ociRuntime } from '../../node-agent/engines/programs.ts'
import { refusedBySpecification } from '../../node-agent/engines/specification.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { settingsFrom } from '../cluster/settings.ts'

/** Programs of a root that is never changed: in a mount namespace of their own, whose /run has the file that was written last. */
function hostIn(root: string): Host {
  const host = systemHost()
  let written = ''
  const script = 'mount -t tmpfs tmpfs "$0/run"; cat > "$0/run/drydock-question.json"; exec chroot "$0" "$@"'
  const inside = ['unshare', '--mount', '--pid', '--fork', `--mount-proc=${root}/proc`, 'sh', '-euc', script, root]
  return {
    ...host,
    replaceFile: async (_path, bytes) => {
      written = bytes.toString()
    },
    removeFile: async () => {},
    run: (argv, { timeoutMs }) => host.run([...inside, ...argv], { timeoutMs, input: written }),
  }
}

const { cache } = settingsFrom(process.env)
const bases = (await readdir(cache).catch(() => [])).filter((name) => /^base-debian\d+-[0-9a-f]+$/.test(name))
const isRoot = process.getuid?.() === 0
const skip = bases.length === 0 ? 'the test bed has no Debian with crun yet' : !isRoot && 'namespaces need root'
/** The newest version of the specification that a program takes; none: any. */
const newest = (base: string, program: string): string =>
  base.startsWith('base-debian12') && program.endsWith('crun') ? '1.1.0' : '9'

t.test('crun takes what it is thought to take', { skip }, async (t) => {
  const cases = bases.flatMap((base) => ['/usr/bin/crun', '/usr/sbin/runc'].map((program) => ({ base, program })))
  for (const { base, program } of cases) {
    const host = hostIn(join(cache, base, 'root'))
    const runtime = (await ociRuntime(host, program))!
    for (const version of ['1.0.2-dev', '1.1.0', '1.2.0', '1.3.0']) {
      const pairing = { handler: 'x', runtime, engine: 'x', specification: async () => version }
      const refusal = await refusedBySpecification(host, pairing)
      const expected = version > newest(base, program) ? 'RuntimeTooOld' : undefined
      t.equal(refusal?.reason, expected, `${base}: ${program} ${runtime.version}, a container of version ${version}`)
    }
  }
})
