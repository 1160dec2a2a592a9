import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Engine, isRefusal, type Pasts, type Staged, type Target } from '../../node-agent/engines/engine.ts'
import type { Host, Ran } from '../../node-agent/host/host.ts'
import type { PackageChange } from '../../node-agent/journal/records.ts'
import { ahead } from '../../node-agent/sources/ahead.ts'
import { apt } from '../../node-agent/sources/packages/apt.ts'
import { installPackages, restorePackages } from '../../node-agent/sources/packages/change.ts'
import { dnf } from '../../node-agent/sources/packages/dnf.ts'
import { withoutServices } from '../../node-agent/sources/packages/guard.ts'
import { mergedPackages } from '../../node-agent/sources/packages/merged.ts'
import { compareRpm } from '../../node-agent/sources/packages/rpm-version.ts'
import { zypper } from '../../node-agent/sources/packages/zypper.ts'
import { stage } from '../../node-agent/sources/stage.ts'
import { dying, rooted } from './sources-host.ts'

/** What a promise was refused with. */
async function refusalOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error) => error.refusal,
  )
}

const scratch = t.testdir()
let folders = 0
function newFolder(): string {
  const folder = join(scratch, String(folders++))
  mkdirSync(folder)
  return folder
}

type Said = string | Partial<Ran> | ((argv: readonly string[]) => string | Partial<Ran> | undefined)

interface Recorded {
  readonly host: Host
  readonly ran: string[]
}

/** Programs answer as recorded, by the start of their command line; others fail the test. */
function recorded(said: Readonly<Record<string, Said>>, files: Readonly<Record<string, string>> = {}): Recorded {
  const ran: string[] = []
  const now = new Map<string, Buffer>(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]))
  const answer = (argv: readonly string[]): Ran => {
    const command = argv.join(' ')
    ran.push(command)
    const key = Object.keys(said).find((each) => command.startsWith(each))
    const what = key === undefined ? undefined : said[key]
    const out = typeof what === 'function' ? what(argv) : what
    if (out === undefined) throw new Error(`nothing is recorded for ${command}`)
    return { code: 0, stdout: '', stderr: '', ...(typeof out === 'string' ? { stdout: out } : out) }
  }
  const host = {
    run: async (argv: readonly string[]) => answer(argv),
    readFile: async (path: string) => now.get(path),
    replaceFile: async (path: string, bytes: Buffer) => void now.set(path, bytes),
    removeFile: async (path: string) => void now.delete(path),
    listFolder: async (path: string) =>
      [...now.keys()].filter((each) => each.startsWith(`${path}/`)).map((each) => each.slice(path.length + 1)),
    isExecutable: async (path: string) => now.has(path),
    isWritable: async () => true,
    realPath: async (path: string) => ([...now.keys()].some((each) => each.startsWith(path)) ? path : undefined),
    daemonReload: async () => void ran.push('daemon-reload'),
  }
  return { host: host as unknown as Host, ran }
}

t.test('apt: what is to be had, the candidate first', async (t) => {
  const policy = (candidate: string) => `containerd:
  Installed: 1.6.20~ds1-1
  Candidate: ${candidate}
  Version table:
`
  const madison = `containerd | 1:2.3.7-1 | http://deb.example trixie/main amd64 Packages
containerd | 1.7.24~ds1-6 | http://deb.example trixie/main amd64 Packages
containerd | 1.7.24~ds1-6 | http://deb.example trixie/main Sources
`
  const available = (candidate: string) =>
    apt.available(
      recorded({ 'apt-cache policy -- containerd': policy(candidate), 'apt-cache madison -- containerd': madison })
        .host,
      'containerd',
    )
  t.strictSame(await available('1:2.3.7-1'), ['1:2.3.7-1', '1.7.24~ds1-6'])
  t.strictSame(await available('1.7.24~ds1-6'), ['1.7.24~ds1-6', '1:2.3.7-1'], 'a pin decides')
  t.strictSame(
    await available('1.6.20~ds1-1'),
    ['1:2.3.7-1', '1.7.24~ds1-6'],
    'what is only installed is not to be had',
  )
})

t.test('apt: what an installation takes', async (t) => {
  const { host, ran } = recorded({
    'env DEBIAN_FRONTEND=noninteractive': `NOTE: This is only a simulation!
Remv docker.io [26.1.5]
Inst libnew (1.0-1 Debian:13/stable [all])
Inst containerd [1.7.24~ds1-6] (1:2.3.7-1 Debian:13.1/stable, Debian-Security:13/stable-security [amd64]) []
Conf libnew (1.0-1 Debian:13/stable [all])
Conf containerd (1:2.3.7-1 Debian:13.1/stable [amd64])
`,
  })
  t.strictSame(await apt.resolve(host, [{ name: 'containerd', version: '1:2.3.7-1' }]), {
    install: [
      { name: 'libnew', version: '1.0-1' },
      { name: 'containerd', version: '1:2.3.7-1' },
    ],
    remove: ['docker.io'],
  })
  t.match(ran[0], /apt-get install --simulate .*-- containerd=1:2\.3\.7-1$/)
  const failing = recorded({ env: { code: 100, stderr: 'E: Unmet dependencies.' } })
  t.match(await refusalOf(apt.resolve(failing.host, [{ name: 'x', version: '1' }])), {
    reason: 'PackageNotInstallable',
    message: /x=1 on this node: E: Unmet/,
  })
})

t.test('apt: one go from local files, without the network, services or questions', async (t) => {
  const versions = new Map([['containerd', '1.7.24']])
  const status = ([, , , , name = '']: readonly string[]) => {
    const version = versions.get(name)
    return version === undefined ? { code: 1 } : `installed ${version}`
  }
  let policy: Buffer | undefined
  const { host, ran } = recorded(
    {
      'dpkg-query --show': (argv) => {
        const said = status(argv)
        return argv[2]?.includes('Version') || typeof said !== 'string' ? said : 'installed'
      },
      'dpkg --audit': '',
      'apt-mark showhold': 'containerd\n',
      'apt-mark hold -- containerd': '',
      'mv ': '',
      env: (argv) => {
        for (const each of argv.slice(argv.indexOf('--') + 1)) {
          const [, name, version] = /\/(\w+)_(.*)\.deb$/.exec(each) ?? []
          if (name !== undefined) versions.set(name, version!)
          else versions.delete(each.slice(0, -1))
        }
        return ''
      },
    },
    {},
  )
  const watching: Host = {
    ...host,
    run: async (argv, options) => {
      if (argv[0] === 'env') policy = await host.readFile('/usr/sbin/policy-rc.d')
      return host.run(argv, options)
    },
  }
  const change: PackageChange = {
    manager: 'apt',
    install: [
      { name: 'libnew', version: '1.0', archive: '/p/new/libnew_1.0.deb' },
      { name: 'containerd', version: '2.3.7', archive: '/p/new/containerd_2.3.7.deb' },
    ],
    former: [{ name: 'libnew' }, { name: 'containerd', version: '1.7.24', archive: '/p/former/containerd_1.7.24.deb' }],
    held: ['containerd'],
    brought: ['/etc/containerd/config.toml.dpkg-dist'],
  }
  const aptGet = (): string => ran.find((each) => each.includes('apt-get')) ?? ''
  await installPackages(watching, change)
  for (const word of [
    'DEBIAN_FRONTEND=noninteractive',
    'NEEDRESTART_SUSPEND=1',
    '--allow-downgrades',
    '--allow-change-held-packages',
    'DPkg::Lock::Timeout=',
    '--force-confold',
    'Dir::Etc::SourceList=/dev/null',
    'Dir::Etc::SourceParts=/dev/null',
  ]) {
    t.match(aptGet(), word)
  }
  t.ok(aptGet().endsWith(' -- /p/new/libnew_1.0.deb /p/new/containerd_2.3.7.deb'), aptGet())
  t.match(policy?.toString(), /exit 101/, 'no service is started meanwhile')
  t.equal(await host.readFile('/usr/sbin/policy-rc.d'), undefined, 'and may be again afterwards')
  t.ok(ran.includes('apt-mark hold -- containerd'), 'what was held is held')
  t.equal(ran.at(-1), 'daemon-reload')

  ran.length = 0
  await installPackages(watching, change)
  t.equal(aptGet(), '', 'nothing to do again')
  await host.replaceFile('/usr/sbin/policy-rc.d', policy!)
  await installPackages(watching, change)
  t.equal(await host.readFile('/usr/sbin/policy-rc.d'), undefined, 'but what a crash left of the guard goes')

  await host.replaceFile('/etc/containerd/config.toml.dpkg-dist', Buffer.from('new'))
  await restorePackages(watching, change)
  t.ok(aptGet().endsWith(' -- /p/former/containerd_1.7.24.deb libnew-'), aptGet())
  t.strictSame([...versions], [['containerd', '1.7.24']])
  t.equal(
    await host.readFile('/etc/containerd/config.toml.dpkg-dist'),
    undefined,
    'dpkg left it beside the edited file',
  )
})

t.test('apt: an installation of others that was cut off is theirs to end', async (t) => {
  const audit = 'The following packages are only half configured:\n libnew   test\n'
  t.match(await apt.blocked(recorded({ 'dpkg --audit': audit }).host), /libnew.*run dpkg --configure -a/)
  t.equal(await apt.blocked(recorded({ 'dpkg --audit': '' }).host), undefined)
})

t.test('the guard: the policy of the host is whole after any crash', async (t) => {
  for (const own of [undefined, '#!/bin/sh\nexit 0\n']) {
    for (let calls = 0; ; calls++) {
      const folder = newFolder()
      const path = (name: string): string => join(folder, name)
      // The paths of the guard are those of the host: its calls go to a folder of the test.
      const node = rooted(newFolder())
      const moved = (text: string): string => text.replace(/^\/usr\/sbin/, folder)
      const host: Host = {
        ...node.host,
        readFile: (each) => node.host.readFile(moved(each)),
        replaceFile: (each, bytes, mode) => node.host.replaceFile(moved(each), bytes, mode),
        removeFile: (each) => node.host.removeFile(moved(each)),
        makeDurable: (each) => node.host.makeDurable(moved(each)),
        run: (argv, options) => node.host.run(argv.map(moved), options),
      }
      if (own !== undefined) writeFileSync(path('policy-rc.d'), own, { mode: 0o755 })
      const process = dying({ ...node, host }, calls)
      let isGuarded = false
      const act = async (): Promise<void> => {
        isGuarded = (await host.run([path('policy-rc.d')], { timeoutMs: 5000 })).code === 101
      }
      const first = await withoutServices(process.host, act).catch(() => 'killed')
      await withoutServices(host, act)
      t.ok(isGuarded, `after ${calls} calls`)
      t.strictSame(readdirSync(folder), own === undefined ? [] : ['policy-rc.d'], `after ${calls} calls`)
      t.equal((await host.readFile('/usr/sbin/policy-rc.d'))?.toString(), own)
      if (first !== 'killed') break
    }
  }
})

t.test('the order of rpm versions', (t) => {
  const ordered = [
    '1.0~rc1-1',
    '1.0-1',
    '1.0^git1-1',
    '1.0.1-1',
    '1.0.a-1',
    '1.2-1.el9',
    '1.2-3.el9',
    '1.10-1',
    '1:0.9-1',
  ]
  // Letters are older than numbers in the same place.
  const expected = [
    '1.0~rc1-1',
    '1.0-1',
    '1.0^git1-1',
    '1.0.a-1',
    '1.0.1-1',
    '1.2-1.el9',
    '1.2-3.el9',
    '1.10-1',
    '1:0.9-1',
  ]
  t.strictSame(ordered.toReversed().sort(compareRpm), expected)
  t.equal(compareRpm('0:2.3.7-1', '2.3.7-1'), 0)
  t.end()
})

t.test('dnf', async (t) => {
  const available = recorded({
    'dnf --quiet repoquery':
      'containerd.io 0:2.2.1-1.el9\n\ncontainerd.io 0:2.3.7-1.el9\ncontainerd.io 0:2.3.10-1.el9\n',
  })
  t.strictSame(await dnf.available(available.host, 'containerd.io'), [
    '0:2.3.10-1.el9',
    '0:2.3.7-1.el9',
    '0:2.2.1-1.el9',
  ])
  const table = (more: string) => ({
    code: 1,
    stdout: `Dependencies resolved.
================================================================
 Package               Architecture  Version      Repository     Size
================================================================
Upgrading:
 containerd.io         x86_64        2.3.7-1.el9  docker-ce      35 M
     replacing  runc.x86_64 4:1.1.12-2.el9
Installing dependencies:
 container-selinux     noarch        4:2.232.1-1.el9 appstream   55 k
${more}
Transaction Summary
================================================================
Install  1 Package
Upgrade  1 Package

Operation aborted.
`,
  })
  const wanted = [{ name: 'containerd.io', version: '0:2.3.7-1.el9' }]
  const resolving = recorded({ 'dnf --assumeno': table('') })
  const install = [
    { name: 'containerd.io', version: '0:2.3.7-1.el9' },
    { name: 'container-selinux', version: '4:2.232.1-1.el9' },
  ]
  t.strictSame(await dnf.resolve(resolving.host, wanted), { install, remove: ['runc'] })
  t.match(resolving.ran[0], /install containerd\.io-0:2\.3\.7-1\.el9$/)
  const removing = recorded({
    'dnf --assumeno': table('Removing:\n podman   x86_64   5:5.2-1.el9   @appstream   50 M'),
  })
  t.match(await dnf.resolve(removing.host, wanted), { remove: ['podman', 'runc'] })
  const failing = recorded({ 'dnf --assumeno': { code: 1, stderr: 'Error: Unable to find a match: containerd.io' } })
  t.match(await refusalOf(dnf.resolve(failing.host, wanted)), {
    reason: 'PackageNotInstallable',
    message: /Unable to find/,
  })
})

t.test('zypper', async (t) => {
  const found = `<?xml version='1.0'?><stream><search-result><solvable-list>
<solvable status="installed" name="containerd" kind="package" edition="1.7.10-1.1" arch="x86_64" repository="(System Packages)"/>
<solvable status="not-installed" name="containerd" kind="package" edition="1.7.21-1.2" arch="x86_64" repository="Main"/>
<solvable status="not-installed" name="containerd" kind="package" edition="1.7.27-1.1" arch="x86_64" repository="Update"/>
</solvable-list></search-result></stream>`
  const searching = recorded({
    'env ZYPP_LOCK_TIMEOUT=120 zypper --non-interactive --xmlout --no-refresh search': found,
  })
  t.strictSame(await zypper.available(searching.host, 'containerd'), ['0:1.7.27-1.1', '0:1.7.21-1.2'])
  const nothing = recorded({ env: { code: 104, stdout: '<stream></stream>' } })
  t.strictSame(await zypper.available(nothing.host, 'containerd'), [])
  const summary = `<stream><install-summary download-size="1" space-usage-diff="1" packages-to-change="3">
<to-upgrade><solvable type="package" name="containerd" edition="1.7.27-1.1" edition-old="1.7.10-1.1" arch="x86_64"/></to-upgrade>
<to-install><solvable type="package" name="runc" edition="1.3.6-1.1" arch="x86_64"/></to-install>
<to-remove><solvable type="package" name="docker" edition="26.1-1.1" arch="x86_64"/></to-remove>
</install-summary></stream>`
  const resolving = recorded({ env: summary })
  t.strictSame(await zypper.resolve(resolving.host, [{ name: 'containerd', version: '0:1.7.27-1.1' }]), {
    install: [
      { name: 'containerd', version: '0:1.7.27-1.1' },
      { name: 'runc', version: '0:1.3.6-1.1' },
    ],
    remove: ['docker'],
  })
  t.match(resolving.ran[0], /install --dry-run .*-- containerd=0:1\.7\.27-1\.1$/)
  const failing = recorded({ env: { code: 4, stdout: '<message type="error">nothing provides libfoo</message>' } })
  t.match(await refusalOf(zypper.resolve(failing.host, [{ name: 'x', version: '1' }])), {
    message: /nothing provides libfoo/,
  })
})

t.test('rpm: local files, former versions back, new packages gone', async (t) => {
  const versions = new Map([['containerd.io', '0:2.2.1-1']])
  const { host, ran } = recorded({
    'rpm --query --queryformat=': (argv) => {
      const name = argv.at(-1)!
      return versions.has(name)
        ? `${name} ${versions.get(name)}\n`
        : { code: 1, stdout: `package ${name} is not installed\n` }
    },
    'rpm --upgrade --oldpackage --replacepkgs -- /p/new/a.rpm /p/new/b.rpm': () => {
      versions.set('containerd.io', '0:2.3.7-1').set('libnew', '0:1-1')
      return ''
    },
    'rpm --upgrade --oldpackage --replacepkgs -- /p/former/a.rpm': () => {
      versions.set('containerd.io', '0:2.2.1-1')
      return ''
    },
    'rpm --erase -- libnew': () => {
      versions.delete('libnew')
      return ''
    },
  })
  const change: PackageChange = {
    manager: 'dnf',
    install: [
      { name: 'containerd.io', version: '0:2.3.7-1', archive: '/p/new/a.rpm' },
      { name: 'libnew', version: '0:1-1', archive: '/p/new/b.rpm' },
    ],
    former: [{ name: 'containerd.io', version: '0:2.2.1-1', archive: '/p/former/a.rpm' }, { name: 'libnew' }],
    held: [],
    brought: [],
  }
  await installPackages(host, change)
  t.strictSame([...versions.values()], ['0:2.3.7-1', '0:1-1'])
  await restorePackages(host, change)
  t.strictSame([...versions], [['containerd.io', '0:2.2.1-1']])
  ran.length = 0
  await restorePackages(host, change)
  t.notOk(
    ran.some((each) => /--upgrade|--erase/.test(each)),
    'nothing to do again',
  )
})

t.test('two changes as one', (t) => {
  const of = (more: Partial<PackageChange>): PackageChange => ({
    manager: 'apt',
    install: [],
    former: [],
    held: [],
    brought: [],
    ...more,
  })
  const first = of({
    install: [
      { name: 'a', version: '2', archive: '/1/a' },
      { name: 'b', version: '1', archive: '/1/b' },
    ],
    former: [{ name: 'a', version: '1', archive: '/1/former/a' }, { name: 'b' }],
    held: ['a'],
    brought: ['/etc/b'],
  })
  const second = of({
    install: [{ name: 'a', version: '3', archive: '/2/a' }],
    former: [{ name: 'a', version: '2', archive: '/2/former/a' }],
    held: ['a'],
  })
  t.strictSame(mergedPackages(undefined, first), first)
  t.strictSame(mergedPackages(first, second), {
    ...first,
    install: [
      { name: 'b', version: '1', archive: '/1/b' },
      { name: 'a', version: '3', archive: '/2/a' },
    ],
  })
  t.end()
})

t.test('a package manager that says yes and does nothing', async (t) => {
  const { host } = recorded({ 'rpm --query': { code: 1 }, 'rpm --upgrade': '' })
  const change: PackageChange = {
    manager: 'dnf',
    install: [{ name: 'x', version: '0:1-1', archive: '/p/x.rpm' }],
    former: [{ name: 'x' }],
    held: [],
    brought: [],
  }
  await t.rejects(installPackages(host, change), /did not/)
})

t.test('staging packages', async (t) => {
  const program = '#!/bin/sh\necho containerd github.com/containerd/containerd 2.3.7 abc\n'
  /** A node with apt, on which `dpkg-deb --extract` unpacks a program and a configuration file. */
  const node = (said: Readonly<Record<string, Said>>) => {
    const folder = newFolder()
    const { host: answers, ran } = recorded({
      'dpkg-query': { code: 1 },
      'dpkg --audit': '',
      'apt-cache policy': '  Candidate: 2.3.7-1\n',
      'apt-cache madison': 'containerd | 2.3.7-1 | x\n',
      'apt-mark showhold': '',
      'dpkg-deb --contents': '',
      'dpkg-deb --info': '/etc/containerd/config.toml\n',
      'env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none apt-get update': '',
      'env DEBIAN_FRONTEND=noninteractive': 'Inst containerd (2.3.7-1 x [amd64])\n',
      ...said,
    })
    const { host, staging, real } = rooted(folder)
    const own = /^(apt|dpkg)|^env$/
    const none = { code: 0, stdout: '', stderr: '' }
    const download = (argv: readonly string[]): Ran => {
      if (said['download'] !== undefined) return { ...none, code: 100 }
      const into = argv.find((each) => each.startsWith('--chdir='))!.slice('--chdir='.length)
      writeFileSync(join(real(into), `${argv.at(-1)!.replace('=', '_')}_amd64.deb`), '')
      return none
    }
    const extract = (root: string): Ran => {
      mkdirSync(join(root, 'usr/bin'), { recursive: true })
      mkdirSync(join(root, 'etc/containerd'), { recursive: true })
      writeFileSync(join(root, 'usr/bin/containerd'), program, { mode: 0o755 })
      writeFileSync(join(root, 'usr/bin/new-runc'), '#!/bin/sh\necho runc\n', { mode: 0o755 })
      writeFileSync(join(root, 'etc/containerd/config.toml'), 'version = 2\n')
      return none
    }
    const run: Host['run'] = async (argv, options) => {
      if (argv.includes('download')) return download(argv)
      if (argv[1] === '--extract' && argv[0] === 'dpkg-deb') return extract(real(argv[3]!))
      return own.test(argv[0]!) ? answers.run(argv, options) : host.run(argv, options)
    }
    const isExecutable: Host['isExecutable'] = async (path) =>
      path === '/usr/bin/apt-get' || path.endsWith('/runc') || host.isExecutable(path)
    return { host: { ...host, run, isExecutable }, staging, real, ran }
  }
  const layout = {
    program: 'bin/containerd',
    programFolders: ['bin'],
    unit: 'containerd.service',
    unitText: String,
    dropInText: String,
  }
  const engine = { name: 'containerd', layout } as unknown as Engine
  const clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => {} }
  const staged = ({ host, staging }: ReturnType<typeof node>, version?: string, pasts: Pasts = new Map()) => {
    const target = { engine: { name: 'containerd', source: { package: {} }, ...(version && { version }) } } as Target
    return stage({ host, staging, clock }, { engine, target, pasts })
  }

  await t.test('unpacked beside what runs, and the files that the packages bring', async (t) => {
    const here = node({})
    const found = (await staged(here, '2.3')) as Staged
    t.match(found, {
      version: '2.3.7',
      searchPath: [],
      files: [],
      packages: {
        manager: 'apt',
        install: [{ name: 'containerd', version: '2.3.7-1', archive: /new\/containerd_2\.3\.7-1_amd64\.deb$/ }],
        former: [{ name: 'containerd' }],
        brought: ['/etc/containerd/config.toml', '/etc/containerd/config.toml.dpkg-dist'],
      },
    })
    t.equal(found.program, `${found.root}/usr/bin/containerd`)
    t.strictSame(await staged(here, '2.3'), found, 'again, from what lies there')
    t.equal(here.ran.filter((each) => each.includes('apt-get update')).length, 0, 'without the network')

    const view = ahead(here.host, found)
    t.equal(await view.isExecutable('/usr/bin/new-runc'), true, 'as if it were installed')
    t.equal((await view.run(['/usr/bin/new-runc'], { timeoutMs: 5000 })).stdout, 'runc\n')
    t.equal(await view.isExecutable('/usr/bin/nothing'), false)
  })

  const refused = (name: string, said: Readonly<Record<string, Said>>, expected: object, version = '2.3') =>
    t.test(name, async (t) => {
      const here = node(said)
      const refusal = await staged(here, version)
      t.ok(refusal && isRefusal(refusal))
      t.match(refusal, expected)
      t.strictSame(await here.host.listFolder('/opt/drydock/engines'), [])
    })
  await refused(
    'no such version',
    {},
    { reason: 'PackageNotFound', message: /only containerd 2\.3\.7-1.*not containerd or containerd\.io 9\.9/ },
    '9.9',
  )
  await refused('not to be downloaded', { download: '' }, { reason: 'DownloadFailed', message: /containerd 2\.3\.7-1/ })
  await refused(
    'an installation was cut off',
    { 'dpkg --audit': 'libnew' },
    { reason: 'PackagesBroken', message: /dpkg --configure -a/ },
  )
  await refused(
    'others would have to go',
    { 'env DEBIAN_FRONTEND=noninteractive': 'Remv docker.io [26]\nInst containerd (2.3.7-1 x [amd64])\n' },
    { reason: 'PackageConflict', message: /remove docker\.io to install containerd/ },
  )
  const installed = (argv: readonly string[]) => (argv.at(-1) === 'containerd' ? 'installed 1.7.24-1' : { code: 1 })
  await refused(
    'the former version is no longer to be had',
    {
      'dpkg-query': installed,
      'dpkg-deb --contents': ([, , path = '']) => (path.includes('1.7.24') ? { code: 2 } : ''),
    },
    { reason: 'FormerPackageMissing', message: /containerd 1\.7\.24-1.*could not be undone/ },
  )

  await t.test('no room for the packages below /usr', async (t) => {
    const here = node({})
    const freeBytes: Host['freeBytes'] = async (path) => (path === '/usr' ? 256 * 1024 ** 2 : 1e12)
    const refusal = await staged({ ...here, host: { ...here.host, freeBytes } }, '2.3')
    t.match(refusal, { reason: 'NoSpace', message: /\/usr needs \d+ bytes.*free some space/ })
    t.strictSame(await here.host.listFolder('/opt/drydock/engines'), [])
  })

  await t.test('/usr is mounted read-only', async (t) => {
    const here = node({})
    const isWritable: Host['isWritable'] = async (path) => path !== '/usr'
    const refusal = await staged({ ...here, host: { ...here.host, isWritable } }, '2.3')
    t.match(refusal, { reason: 'ReadOnly', message: /^\/usr is on a read-only.*source\.archive/ })
    t.notOk(
      here.ran.some((each) => each.includes('download')),
      'told before anything is fetched',
    )
  })

  await t.test('back from the programs of an archive to those that are installed', async (t) => {
    const here = node({ 'dpkg-query': installed })
    const path = '/etc/systemd/system/containerd.service.d/90-drydock.conf'
    const written = Buffer.from('ExecStart=/opt/drydock/engines/containerd-0123456789ab/bin/containerd')
    await here.host.replaceFile(path, written)
    const usr: Host = {
      ...here.host,
      isExecutable: async (each) => each === '/usr/bin/containerd' || here.host.isExecutable(each),
      run: async (argv, options) =>
        argv[0] === '/usr/bin/containerd'
          ? { code: 0, stdout: 'containerd x 1.7.24 y', stderr: '' }
          : here.host.run(argv, options),
    }
    const found = await staged({ ...here, host: usr }, '1.7', new Map([[path, { original: undefined, written }]]))
    t.strictSame(found, {
      program: '/usr/bin/containerd',
      version: '1.7.24',
      searchPath: [],
      files: [{ path, before: written, after: undefined, original: undefined }],
    })
  })

  await t.test('what is there already, and fits', async (t) => {
    const here = node({ 'dpkg-query': installed })
    t.equal(await staged(here, '1.7'), undefined)
    t.strictSame(await here.host.listFolder('/opt/drydock/engines'), [])
  })
})
