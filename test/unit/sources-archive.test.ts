import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import type { Engine, Layout, Pasts, Target } from '../../node-agent/engines/engine.ts'
import { isRefusal } from '../../node-agent/engines/engine.ts'
import { download } from '../../node-agent/host/download.ts'
import { unpackedBytes } from '../../node-agent/sources/archive/members.ts'
import { stage, withPrograms } from '../../node-agent/sources/stage.ts'
import { removeUnused, unusedFolders } from '../../node-agent/sources/unused.ts'
import { dying, type Rooted, rooted } from './sources-host.ts'

const layout: Layout = {
  program: 'bin/containerd',
  programFolders: ['bin'],
  unit: 'containerd.service',
  unitText: (folder) => `[Service]\nExecStart=${folder}/bin/containerd\n`,
  dropInText: (folder) => `[Service]\nExecStart=\nExecStart=${folder}/bin/containerd\n`,
}
const engine = { name: 'containerd', layout } as Engine
const programs = '/opt/drydock/engines'

const scratch = t.testdir()
let folders = 0
function newFolder(): string {
  const folder = join(scratch, String(folders++))
  mkdirSync(folder)
  return folder
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const script = (text: string): string => `#!/bin/sh\necho '${text}'\n`
const containerd = (version = '2.3.7'): Record<string, string> => ({
  'bin/containerd': script(`containerd github.com/containerd/containerd/v2 v${version} 1b2c`),
  'bin/containerd-shim-runc-v2': script('shim'),
})

/** A gzipped tar of such files, by the host's own tar. */
function tarOf(files: Record<string, string>, ...options: string[]): Buffer {
  const folder = newFolder()
  mkdirSync(join(folder, 'content'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, 'content', name)), { recursive: true })
    writeFileSync(join(folder, 'content', name), text, { mode: 0o755 })
  }
  const archive = join(folder, 'archive.tar.gz')
  execFileSync('tar', ['-czf', archive, '-C', join(folder, 'content'), ...options, '.'])
  return readFileSync(archive)
}

type Answer = (response: ServerResponse, socket: Socket) => void
const sends =
  (bytes: Buffer): Answer =>
  (response) =>
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes)

/** An https server whose certificate is of a CA of its own, as a company's mirror has it. */
class Mirror {
  readonly answers = new Map<string, Answer>()
  readonly requests: string[] = []
  readonly #server: Server
  readonly ca: string
  constructor(folder: string) {
    const at = (name: string): string => join(folder, name)
    const subject = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '1']
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
    openssl('req', '-x509', ...subject, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-subj', '/CN=Company CA')
    openssl('req', ...subject.slice(0, -2), '-keyout', at('key'), '-out', at('csr'), '-subj', '/CN=mirror')
    writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1')
    const sign = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('ext')]
    openssl('x509', '-req', '-in', at('csr'), ...sign, '-days', '1', '-out', at('crt'))
    this.ca = at('ca.pem')
    this.#server = createServer(
      { key: readFileSync(at('key')), cert: readFileSync(at('crt')) },
      (request, response) => {
        this.requests.push(request.url ?? '')
        const answer = this.answers.get(request.url ?? '')
        if (answer) answer(response, request.socket)
        else response.writeHead(404).end()
      },
    )
  }
  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }
  url(path: string): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }
  serve(path: string, bytes: Buffer): { url: string; sha256: string } {
    this.answers.set(path, sends(bytes))
    return { url: this.url(path), sha256: sha256(bytes) }
  }
  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const mirror = new Mirror(newFolder())
t.before(() => mirror.listen())
t.teardown(() => mirror.close())

const clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => {} }

function hostIn(given: Parameters<typeof rooted>[1] = {}): Rooted {
  const trust = { bundles: ['/nowhere', mirror.ca], silenceMs: 300 }
  return rooted(newFolder(), { download: (wanted) => download(wanted, trust), ...given })
}

interface Given {
  readonly version?: string
  readonly handlers?: readonly object[]
  readonly pasts?: Pasts
}

function staging(
  { host, staging }: Rooted,
  archive: object | undefined,
  { version, handlers, pasts = new Map() }: Given = {},
) {
  const target = {
    engine: { name: 'containerd', ...(version && { version }), ...(archive && { source: { archive } }) },
    ...(handlers && { handlers }),
  } as Target
  return stage({ host, staging, clock }, { engine, target, pasts })
}

const left = ({ real }: Rooted): readonly string[] => (existsSync(real(programs)) ? readdirSync(real(programs)) : [])

/** Refused with that reason and a sentence that has these words, and nothing is left. */
async function expectRefused(
  t: Test,
  node: Rooted,
  staged: ReturnType<typeof staging>,
  [reason, ...words]: readonly [string, ...RegExp[]],
): Promise<void> {
  const refusal = await staged
  if (!refusal || !isRefusal(refusal)) throw new Error('not refused')
  t.equal(refusal.reason, reason, refusal.message)
  for (const word of words) t.match(refusal.message, word)
  t.strictSame(left(node), [])
}

t.test('an archive becomes a folder that systemd is told to run', async (t) => {
  const node = hostIn()
  const archive = mirror.serve('/containerd.tar.gz', tarOf(containerd()))
  const staged = await staging(node, archive, { version: '2.3' })
  const folder = `${programs}/containerd-${archive.sha256.slice(0, 12)}`
  const path = '/etc/systemd/system/containerd.service'
  const after = Buffer.from(`[Service]\nExecStart=${folder}/bin/containerd\n`)
  t.strictSame(staged, {
    program: `${folder}/bin/containerd`,
    version: '2.3.7',
    searchPath: [`${folder}/bin`],
    files: [{ path, before: undefined, after, original: undefined }],
  })
  t.strictSame(readdirSync(node.real(folder)), ['bin'])
  t.equal(lstatSync(node.real(`${folder}/bin/containerd`)).mode & 0o7777, 0o755)
  t.equal(lstatSync(node.real(folder)).mode & 0o7777, 0o755)
})

t.test('what is there is used again without the network', async (t) => {
  const node = hostIn()
  const archive = mirror.serve('/again.tar.gz', tarOf(containerd()))
  const first = await staging(node, archive)
  mirror.answers.delete('/again.tar.gz')
  const asked = mirror.requests.length
  t.strictSame(await staging(node, archive), first)
  t.equal(mirror.requests.length, asked)
})

t.test('the file of a unit', async (t) => {
  const archive = mirror.serve('/unit.tar.gz', tarOf(containerd()))
  const whole = '/etc/systemd/system/containerd.service'
  const dropIn = '/etc/systemd/system/containerd.service.d/90-drydock.conf'
  const pathOf = async (node: Rooted, pasts?: Pasts) => {
    const staged = await staging(node, archive, { ...(pasts && { pasts }) })
    return staged && 'files' in staged ? staged.files.map(({ path }) => path) : staged
  }
  const loaded = { 'containerd.service': { loadState: 'loaded' } }
  t.strictSame(await pathOf(hostIn({ units: loaded })), [dropIn], 'a drop-in for the unit that is there')
  const past = { original: undefined, written: Buffer.from('of the last version') }
  t.strictSame(await pathOf(hostIn({ units: loaded }), new Map([[whole, past]])), [whole], 'the unit that we wrote')

  const node = hostIn({ units: loaded })
  await node.host.replaceFile(dropIn, Buffer.from('by hand'))
  const staged = await staging(node, archive)
  t.match(staged, { files: [{ before: Buffer.from('by hand'), original: Buffer.from('by hand') }] })
  if (!staged || !('files' in staged)) throw new Error('refused')
  await node.host.replaceFile(dropIn, staged.files[0]!.after!)
  t.strictSame(await pathOf(node), [], 'nothing to write when it is so already')

  const masked = hostIn({ units: { 'containerd.service': { loadState: 'masked' } } })
  t.match(await staging(masked, archive), { reason: 'UnitMasked', message: /systemctl unmask/ })
})

t.test('refused, and nothing is left behind', async (t) => {
  const good = tarOf(containerd())
  const refused = async (name: string, archive: object, expected: readonly [string, ...RegExp[]], given: Given = {}) =>
    t.test(name, async (t) => {
      const node = hostIn()
      await expectRefused(t, node, staging(node, archive, given), expected)
    })
  const at = (path: string, answer: Answer) => {
    mirror.answers.set(path, answer)
    return { url: mirror.url(path), sha256: sha256(good) }
  }

  await refused('wrong checksum', { ...mirror.serve('/a', good), sha256: 'f'.repeat(64) }, [
    'ChecksumDiffers',
    /127\.0\.0\.1:\d+\/a has the SHA-256 [0-9a-f]{64}, the profile says f{64}/,
  ])
  await refused('no such file', { url: mirror.url('/none'), sha256: sha256(good) }, [
    'DownloadFailed',
    /\/none answers with status 404/,
  ])
  await refused('dead mirror', { url: 'https://127.0.0.1:1/x', sha256: sha256(good) }, [
    'DownloadFailed',
    /ECONNREFUSED/,
  ])
  await refused(
    'broken off',
    at('/b', (response, socket) => {
      response.writeHead(200, { 'content-length': good.length })
      response.write(good.subarray(0, 100), () => socket.destroy())
    }),
    ['DownloadFailed', /\/b broke off/],
  )
  await refused(
    'silent',
    at('/c', (response) => {
      response.writeHead(200, { 'content-length': good.length }).write(good.subarray(0, 9))
    }),
    ['DownloadFailed', /\/c broke off: .*silent/],
  )
  await refused(
    'silent from the start',
    at('/d', () => {}),
    ['DownloadFailed', /silent/],
  )
  await refused(
    'redirects without an end',
    at('/e', (response) => response.writeHead(302, { location: '/e' }).end()),
    ['DownloadFailed', /redirects more than 5 times/],
  )
  await refused(
    'leads to http',
    at('/f', (response) => response.writeHead(301, { location: 'http://127.0.0.1/' }).end()),
    ['DownloadFailed', /not https/],
  )
  await refused(
    'larger than any archive',
    at('/h', (response) => response.writeHead(200, { 'content-length': 1025 * 1024 ** 2 }).end()),
    ['DownloadFailed', /larger than/],
  )
  await refused('no archive', mirror.serve('/i', Buffer.from('<html>Log in</html>')), [
    'ArchiveInvalid',
    /\/i cannot be unpacked/,
  ])
  await refused('truncated archive', mirror.serve('/j', good.subarray(0, -40)), [
    'ArchiveInvalid',
    /\/j cannot be unpacked/,
  ])
  await refused('another archive', mirror.serve('/k', tarOf({ 'README.md': 'hello' })), [
    'ProgramMissing',
    /\/k has no bin\/containerd/,
  ])
  await refused(
    'another version',
    mirror.serve('/l', tarOf(containerd('2.2.1'))),
    ['EngineVersionDiffers', /2\.2\.1/, /asks for 2\.3/],
    {
      version: '2.3',
    },
  )
  await refused('another machine', mirror.serve('/m', tarOf({ 'bin/containerd': '\x7fELF\x02\x01\x01' })), [
    'ProgramMissing',
    /does not run on this node/,
  ])
  await refused(
    'a path that climbs',
    mirror.serve('/n', tarOf(containerd(), '--transform', 's,^./bin/containerd$,../../x,')),
    ['ArchiveInvalid', /unpacked elsewhere: \.\.\/\.\.\/x/],
  )
  await refused(
    'an absolute path',
    mirror.serve('/o', tarOf(containerd(), '-P', '--transform', 's,^./bin,/tmp/bin,')),
    ['ArchiveInvalid', /unpacked elsewhere: \/tmp\/bin/],
  )
  await refused('no CNI plugins', { ...mirror.serve('/p', good), cniPlugins: mirror.serve('/q', good) }, [
    'ProgramMissing',
    /\/q has no loopback/,
  ])
})

t.test('links and devices', async (t) => {
  const folder = newFolder()
  mkdirSync(join(folder, 'content/bin'), { recursive: true })
  const archive = (): Buffer => {
    execFileSync('tar', ['-czf', join(folder, 'a.tar.gz'), '-C', join(folder, 'content'), '.'])
    return readFileSync(join(folder, 'a.tar.gz'))
  }
  const link = join(folder, 'content/bin/link')
  for (const [name, text] of Object.entries(containerd()))
    writeFileSync(join(folder, 'content', name), text, { mode: 0o6755 })
  symlinkSync('containerd', link)
  const node = hostIn()
  const staged = await staging(node, mirror.serve('/links', archive()))
  t.match(staged, { version: '2.3.7' }, 'a link inside is fine')
  if (staged && 'program' in staged) t.equal(lstatSync(node.real(staged.program)).mode & 0o7777, 0o755, 'no setuid bit')

  symlinkSync('../../../etc/shadow', join(folder, 'content/bin/out'))
  const other = hostIn()
  await expectRefused(t, other, staging(other, mirror.serve('/out', archive())), [
    'ArchiveInvalid',
    /link that leads away/,
  ])
  const listed = (line: string) => () => unpackedBytes(line, 'https://x')
  t.throws(listed('crw-r--r-- 0/0 1,3 2026-01-01 00:00 "bin/null"'), /not a plain file/)
  t.throws(listed('brw-r--r-- 0/0 8,0 2026-01-01 00:00 "bin/sda"'), /not a plain file/)
  t.throws(listed('lrwxrwxrwx 0/0 0 2026-01-01 00:00 "bin/x" -> "/etc"'), /link/)
  t.throws(listed('hrw-r--r-- 0/0 0 2026-01-01 00:00 "bin/x" link to "../y"'), /link/)
  t.throws(listed('-rw-r--r-- 0/0 5 2026-01-01 00:00 "a\\nb"'), /elsewhere/)
  t.equal(unpackedBytes('-rw-r--r-- 0/0 5 2026-01-01 00:00 "a -> b"\ndrwxr-xr-x 0/0 0 2026-01-01 00:00 "x/"\n', ''), 5)
})

t.test('a full disk is told before it is full, and while it becomes so', async (t) => {
  const archive = mirror.serve('/full', tarOf(containerd()))
  const node = hostIn()
  const full = { ...node, host: { ...node.host, freeBytes: async () => 256 * 1024 ** 2 } }
  await expectRefused(t, full, staging(full, archive), ['NoSpace', /free some space/])

  const folder = t.testdir()
  await t.rejects(
    download(
      { url: archive.url, path: join(folder, 'x'), reserveBytes: 1e18 },
      { bundles: [mirror.ca], silenceMs: 300 },
    ),
    {
      name: 'NoSpaceError',
    },
  )
  t.strictSame(readdirSync(folder), [])
})

t.test('a mirror that comes back within the pauses is no failure', async (t) => {
  const bytes = tarOf(containerd())
  const archive = mirror.serve('/flaky', bytes)
  let left = 2
  mirror.answers.set('/flaky', (response, socket) =>
    left-- > 0 ? response.writeHead(503).end() : sends(bytes)(response, socket),
  )
  t.match(await staging(hostIn(), archive), { version: '2.3.7' })
})

t.test('a mirror whose CA the host does not know', async (t) => {
  const archive = mirror.serve('/ca', tarOf(containerd()))
  const node = hostIn({ download: (wanted) => download(wanted, { bundles: ['/nowhere'], silenceMs: 300 }) })
  await expectRefused(t, node, staging(node, archive), ['DownloadFailed', /certificate/, /add the mirror's CA/])
})

t.test('the CNI plugins of an archive stay in a folder of their own', async (t) => {
  const node = hostIn()
  const plugins = mirror.serve('/cni.tgz', tarOf({ loopback: script('CNI loopback plugin v1.9.1') }))
  const staged = await staging(node, { ...mirror.serve('/with-cni', tarOf(containerd())), cniPlugins: plugins })
  const folder = `${programs}/cni-plugins-${plugins.sha256.slice(0, 12)}`
  t.match(staged, { cniFolder: folder })
  t.ok(await node.host.isExecutable(`${folder}/loopback`))
})

t.test('the program of a handler', async (t) => {
  const node = hostIn()
  const archive = mirror.serve('/crun', Buffer.from(script('crun version 1.26')))
  const handlers = [{ name: 'fast', type: 'crun', default: false, archive }]
  t.equal(await staging(node, undefined, { handlers }), undefined, 'the engine is as it is')
  const binary = `${programs}/crun-${archive.sha256.slice(0, 12)}/crun`
  t.ok(await node.host.isExecutable(binary))
  const target = { engine: { name: 'containerd' }, handlers } as unknown as Target
  t.match(withPrograms(target).handlers, [{ name: 'fast', binary }])

  const other = hostIn()
  const runc = mirror.serve('/runc', Buffer.from(script('crun version 1.26')))
  const wrong = [{ name: 'runc', type: 'runc', default: true, archive: runc }]
  await expectRefused(t, other, staging(other, undefined, { handlers: wrong }), [
    'ProgramMissing',
    /handler "runc".*another program/,
  ])
  const packed = [{ ...wrong[0]!, archive: mirror.serve('/packed', tarOf({})) }]
  await expectRefused(t, other, staging(other, undefined, { handlers: packed }), [
    'ProgramMissing',
    /does not run on this node/,
  ])
})

t.test('killed at every call: the folder is there whole or not at all, and the next one ends it', async (t) => {
  const archive = mirror.serve('/crash', tarOf(containerd()))
  const name = `containerd-${archive.sha256.slice(0, 12)}`
  let crashes = 0
  for (let calls = 0; ; calls++) {
    const node = hostIn()
    const process = dying(node, calls)
    await staging(process, archive).catch(() => undefined)
    if (existsSync(node.real(`${programs}/${name}`))) {
      t.strictSame(readdirSync(node.real(`${programs}/${name}/bin`)), ['containerd', 'containerd-shim-runc-v2'])
    }
    const isOver = !process.isDead()
    t.match(await staging(node, archive), { version: '2.3.7' }, `after ${calls} calls`)
    t.strictSame(left(node), [name], `after ${calls} calls`)
    if (isOver) break
    crashes++
  }
  t.ok(crashes > 10, `${crashes} crashes`)
})

/** No engine of the host is asked. */
const none = async () => []

t.test('folders that nothing refers to', async (t) => {
  const names = ['.containerd-aaa', 'containerd-aaa', 'containerd-aab', 'runc-bbb']
  t.strictSame(unusedFolders(names, [`PATH=${programs}/containerd-aab/bin:/usr/bin`]), [
    '.containerd-aaa',
    'containerd-aaa',
    'runc-bbb',
  ])
  const asFolder = [`bin_dirs = ["/opt/cni/bin", "${programs}/containerd-aab"]`, `:${programs}/runc-bbb`]
  t.strictSame(
    unusedFolders(names, asFolder),
    ['.containerd-aaa', 'containerd-aaa'],
    'a folder of CNI plugins is named alone',
  )

  const node = hostIn()
  for (const name of names) await node.staging.makeFolder(`${programs}/${name}`)
  const bundle = '/run/containerd/io.containerd.runtime.v2.task/k8s.io/abc/options.json'
  await node.host.replaceFile(bundle, Buffer.from(JSON.stringify({ binary_name: `${programs}/runc-bbb/runc` })))
  const named = [`"${programs}/containerd-aab/bin"`]
  t.strictSame(await removeUnused(node, named, none), ['.containerd-aaa', 'containerd-aaa'])
  t.strictSame(left(node), ['containerd-aab', 'runc-bbb'], 'a container was made with that runc')
  await node.host.removeFile(bundle)
  t.strictSame(await removeUnused(node, [], none), ['containerd-aab', 'runc-bbb'])
})

t.test('a shim that runs keeps its folder', async (t) => {
  const node = hostIn()
  await node.staging.makeFolder(`${programs}/containerd-ccc`)
  const shim = join(node.real(`${programs}/containerd-ccc`), 'shim')
  writeFileSync(shim, '#!/bin/sh\nread _\n')
  chmodSync(shim, 0o755)
  const listing: Rooted['host'] = {
    ...node.host,
    listFolder: async (path) => (path === '/proc' ? ['1', '999999999', 'self'] : node.host.listFolder(path)),
    readFile: async (path) =>
      path === '/proc/1/cmdline' ? Buffer.from(`${programs}/containerd-ccc/shim\0-id\0x`) : node.host.readFile(path),
  }
  t.strictSame(await removeUnused({ ...node, host: listing }, [], none), [])
  t.strictSame(await removeUnused(node, [], none), ['containerd-ccc'])
})
