/** Files out of Debian packages, for any architecture, without installing anything. */
import { spawn } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { extract } from 'tar-stream'
import { must } from '../test/cluster/process.ts'
import type { Architecture } from './architecture.ts'

/**
 * Downloads packages of the Debian release that this machine runs, from where it gets its own packages. apt checks
 * signatures and hashes as it always does; lists and state are in `folder`, so that another architecture is no
 * trouble for the machine and no right of root is needed.
 */
export async function downloadPackages(
  packages: readonly string[],
  architecture: Architecture,
  folder: string,
): Promise<readonly string[]> {
  const state = join(folder, 'apt')
  const downloads = join(folder, 'packages')
  for (const path of [join(state, 'lists/partial'), join(state, 'cache/archives/partial'), downloads]) {
    await mkdir(path, { recursive: true })
  }
  await writeFile(join(state, 'status'), '')
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State=${state}`,
    `Dir::State::lists=${state}/lists`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    // The user that apt drops to cannot write into our folder.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option])
  await must(['apt-get', '--quiet', ...options, 'update'])
  await must(['apt-get', '--quiet', ...options, 'download', ...packages], { cwd: downloads })
  return (await readdir(downloads)).sort().map((name) => join(downloads, name))
}

/** The named files of a package by their names without folders, links followed. Throws when one is not in it. */
export async function filesOf(archive: string, wanted: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const links = new Map<string, string>()
  const tar = extract()
  const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', archive], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve, reject) => {
    dpkg.on('error', reject)
    dpkg.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`dpkg-deb cannot read ${archive}`))))
  })
  dpkg.stdout.pipe(tar)
  for await (const entry of tar) {
    const { name, type, linkname } = entry.header
    // Debuggers' copies of the libraries carry the same names.
    const isPlace = /^\.\/(usr\/)?(s?bin|lib(64)?)\//.test(name) && !/\/(debug|gconv|audit)\//.test(name)
    if (isPlace && type === 'symlink' && linkname) links.set(basename(name), basename(linkname))
    if (isPlace && type === 'file') files.set(basename(name), await bytesOf(entry))
    else entry.resume()
  }
  await ended
  return new Map(
    wanted.map((name) => {
      const bytes = files.get(name) ?? files.get(links.get(name) ?? '')
      if (!bytes) throw new Error(`${basename(archive)} has no file ${name}: this Debian release packs it elsewhere`)
      return [name, bytes]
    }),
  )
}

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
