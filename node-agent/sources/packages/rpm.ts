/** What dnf and zypper have in common: rpm installs what they have downloaded, without asking any network. */
import type { Host } from '../../host/host.ts'
import { output, type PackageAct, type PackageManager, said } from './manager.ts'
import { compareRpm } from './rpm-version.ts'

const lookMs = 60_000
/** Another transaction holds rpm's lock for as long as it lasts: rpm waits for it. */
const changeMs = 15 * 60_000

const nameAndVersion = '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n'

/** By name, `epoch:version-release`, the newest first. */
export function newestFirst(lines: string, name: string): readonly string[] {
  const versions = lines.split('\n').flatMap((line) => {
    const [found, version] = line.trim().split(/\s+/)
    return found === name && version !== undefined ? [version] : []
  })
  return [...new Set(versions)].sort((a, b) => compareRpm(b, a))
}

/**
 * The units of both engines are stopped when packages change, and rpm's scripts restart only what runs: no guard is
 * needed. They bring no lock of a version into play either: what is locked is not to be had, and refused in Prepare.
 */
export const rpm = {
  leftovers: ['.rpmnew', '.rpmsave'],

  blocked: async (host) => {
    const { code, stderr } = await host.run(['rpm', '--query', 'rpm'], { timeoutMs: lookMs })
    return code === 0
      ? undefined
      : `rpm cannot read what is installed (${said(stderr)}): run rpm --rebuilddb on the node`
  },

  installed: async (host, name) => {
    const argv = ['rpm', '--query', `--queryformat=${nameAndVersion}`, '--', name]
    const { code, stdout } = await host.run(argv, { timeoutMs: lookMs })
    return code === 0 ? newestFirst(stdout, name)[0] : undefined
  },

  held: async () => [],

  /** The files themselves are asked, also in folders below: their names leave the epoch out. */
  find: async (host, { name, version }, folder) => {
    const found = (await host.run(['find', folder, '-name', '*.rpm'], { timeoutMs: lookMs })).stdout
    for (const path of found.split('\n').filter((each) => each !== '')) {
      const argv = ['rpm', '--query', '--package', `--queryformat=${nameAndVersion}`, path]
      const { code, stdout } = await host.run(argv, { timeoutMs: lookMs })
      if (code === 0 && stdout === `${name} ${version}\n`) return path
    }
    return undefined
  },

  unpack: async (host, archive, folder) => {
    // Writes the archive's content beside it, as a tar file of that name.
    await output(host, ['rpm2archive', archive], changeMs)
    await output(
      host,
      ['tar', '--extract', '--no-same-owner', '--file', `${archive}.tgz`, '--directory', folder],
      changeMs,
    )
    await host.removeFile(`${archive}.tgz`)
  },

  configFiles: async (host, archive) => {
    const listed = await output(host, ['rpm', '--query', '--package', '--configfiles', archive], lookMs)
    return listed.split('\n').filter((line) => line.startsWith('/'))
  },

  carryOut: async (host, act) => {
    if (await isDone(host, act)) return
    const archives = act.install.map(({ archive }) => archive)
    const replace = ['rpm', '--upgrade', '--oldpackage', '--replacepkgs', '--']
    if (archives.length > 0) await output(host, [...replace, ...archives], changeMs)
    const remove: string[] = []
    for (const name of act.remove) if ((await rpm.installed(host, name)) !== undefined) remove.push(name)
    if (remove.length > 0) await output(host, ['rpm', '--erase', '--', ...remove], changeMs)
    if (!(await isDone(host, act))) throw new Error(`rpm says that it changed ${archives.join(' ')}, and it did not.`)
  },
} satisfies Partial<PackageManager>

async function isDone(host: Host, { install, remove }: PackageAct): Promise<boolean> {
  for (const { name, version } of install) if ((await rpm.installed(host, name)) !== version) return false
  for (const name of remove) if ((await rpm.installed(host, name)) !== undefined) return false
  return true
}
