/** dnf 4 and 5. */
import { Refused } from '../../engines/refused.ts'
import { output, type Package, type PackageManager, type Resolution, said } from './manager.ts'
import { newestFirst, rpm } from './rpm.ts'

/** dnf waits for another run of itself without an end. */
const lookMs = 2 * 60_000
const fetchMs = 10 * 60_000

export const dnf: PackageManager = {
  ...rpm,
  name: 'dnf',
  cache: '/var/cache/dnf',

  refresh: async (host) => {
    await host.run(['dnf', '--quiet', 'makecache'], { timeoutMs: fetchMs })
  },

  available: async (host, name) => {
    const format = '%{name} %{epoch}:%{version}-%{release}\n'
    const listed = await output(
      host,
      ['dnf', '--quiet', 'repoquery', '--available', '--queryformat', format, name],
      lookMs,
    )
    return newestFirst(listed, name)
  },

  resolve: async (host, wanted) => {
    const names = wanted.map(({ name, version }) => `${name}-${version}`)
    // Ends with 1, because it is told not to go on; with a table when it could.
    const argv = ['dnf', '--assumeno', '--setopt=install_weak_deps=False', 'install', ...names]
    const { stdout, stderr } = await host.run(argv, { timeoutMs: fetchMs })
    const resolution = resolutionOf(stdout)
    if (resolution.install.length > 0) return resolution
    const message = `dnf cannot install ${names.join(' ')} on this node: ${said(stderr || stdout)}`
    throw new Refused('PackageNotInstallable', message)
  },

  download: async (host, wanted, folder) => {
    const argv = ['dnf', '--quiet', 'download', '--destdir', folder, `${wanted.name}-${wanted.version}`]
    await host.run(argv, { timeoutMs: fetchMs })
  },
}

/** A table of `name arch version repository size` below headings such as "Installing dependencies:". */
function resolutionOf(table: string): Resolution {
  const install: Package[] = []
  const remove: string[] = []
  let heading = ''
  for (const line of table.split('\n')) {
    heading = /^([A-Z][a-z ]+):/.exec(line)?.[1] ?? heading
    const [, name, version] = /^ (\S+) +\S+ +(\S+) +\S+ +\d/.exec(line) ?? []
    if (name === undefined || version === undefined) continue
    if (heading.startsWith('Removing')) remove.push(name)
    else install.push({ name, version: version.includes(':') ? version : `0:${version}` })
  }
  const isUpgrade = (name: string): boolean => install.some((each) => each.name === name)
  return { install, remove: [...remove, ...replacedIn(table).filter((name) => !isUpgrade(name))] }
}

/** `replacing  runc.x86_64 4:1.1.12-2.el9` below the package that does so; dnf 5 says it of former versions too. */
function replacedIn(table: string): readonly string[] {
  return [...table.matchAll(/^\s+replacing\s+(\S+)/gm)].map(([, name]) =>
    name!.replace(/\.(x86_64|aarch64|noarch)$/, ''),
  )
}
