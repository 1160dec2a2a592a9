/** zypper. */
import { Refused } from '../../engines/refused.ts'
import { type Package, type PackageManager, said } from './manager.ts'
import { newestFirst, rpm } from './rpm.ts'

/** zypper waits for another run of itself only when it is told how long, in seconds. */
const command = ['env', 'ZYPP_LOCK_TIMEOUT=120', 'zypper', '--non-interactive']
const lookMs = 3 * 60_000
const fetchMs = 10 * 60_000

export const zypper: PackageManager = {
  ...rpm,
  name: 'zypper',
  cache: '/var/cache/zypp/packages',

  refresh: async (host) => {
    await host.run([...command, 'refresh'], { timeoutMs: fetchMs })
  },

  available: async (host, name) => {
    const search = [
      ...command,
      '--xmlout',
      '--no-refresh',
      'search',
      '--details',
      '--match-exact',
      '--type=package',
      name,
    ]
    // 104: nothing was found.
    const { stdout } = await host.run(search, { timeoutMs: lookMs })
    return newestFirst(
      solvables(stdout)
        .map((each) => `${each.name} ${each.version}`)
        .join('\n'),
      name,
    )
  },

  resolve: async (host, wanted) => {
    const names = wanted.map(({ name, version }) => `${name}=${version}`)
    const argv = ['install', '--dry-run', '--no-recommends', '--oldpackage', '--', ...names]
    const { code, stdout, stderr } = await host.run([...command, '--xmlout', '--no-refresh', ...argv], {
      timeoutMs: fetchMs,
    })
    if (code === 0) {
      const parts = [...stdout.matchAll(/<to-(\w+)[^>]*>(.*?)<\/to-\1[^>]*>/gs)]
      const of = (kinds: RegExp) => parts.flatMap(([, kind, inside]) => (kinds.test(kind!) ? solvables(inside!) : []))
      return { install: of(/install|grade/), remove: of(/remove/).map(({ name }) => name) }
    }
    const message = `zypper cannot install ${names.join(' ')} on this node: ${said(stderr || textOf(stdout))}`
    throw new Refused('PackageNotInstallable', message)
  },

  download: async (host, wanted, folder) => {
    const spec = `${wanted.name}=${wanted.version}`
    await host.run([...command, '--no-refresh', '--pkg-cache-dir', folder, 'download', spec], { timeoutMs: fetchMs })
  },
}

/** `<solvable type="package" name="containerd" edition="1.7.21-1.1" arch="x86_64"/>`; what is installed only is no offer. */
function solvables(xml: string): readonly Package[] {
  return [...xml.matchAll(/<solvable\s([^>]*)>/g)].flatMap(([, attributes]) => {
    const of = (name: string): string | undefined => new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes!)?.[1]
    const [name, version] = [of('name'), of('edition')]
    if (name === undefined || version === undefined || of('repository') === '(System Packages)') return []
    return [{ name, version: version.includes(':') ? version : `0:${version}` }]
  })
}

function textOf(xml: string): string {
  return xml.replaceAll(/<[^>]*>/g, ' ')
}
