/** Which hosts Drydock installs itself on. Everything else is left as it is, and told why. */
import { access, constants, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Handover } from './handover.ts'
import { hostPath } from './host-path.ts'

type Unsupported = Extract<Handover, { supported: false }>
type Os = Unsupported['os']

/** What Drydock writes below. */
const writtenFolders = ['/opt', '/usr', '/etc/systemd/system', '/var/lib']

const advice = 'Drydock leaves it untouched; choose the container runtime with the image of the node instead.'

/** Undefined when the host is one that Drydock can change. */
export async function unsupported(root: string): Promise<Unsupported | undefined> {
  const { os, name } = await operatingSystem(root)
  const because = (reason: string, message: string): Unsupported => ({ supported: false, reason, message, os })
  // The folder that systemd itself documents as the sign that it runs the machine.
  const isSystemd = await stat(await hostPath(root, '/run/systemd/system')).catch(() => undefined)
  if (!isSystemd) return because('NoSystemd', `${name} is not run by systemd. ${advice}`)
  for (const folder of writtenFolders) {
    const path = await existing(await hostPath(root, folder))
    if (!(await isWritable(path))) {
      return because('ReadOnlyHost', `${name} has a read-only ${folder}. ${advice}`)
    }
  }
  return undefined
}

async function operatingSystem(root: string): Promise<{ os: Os; name: string }> {
  const read = async (path: string): Promise<string> => readFile(await hostPath(root, path), 'utf8').catch(() => '')
  const release = (await read('/etc/os-release')) || (await read('/usr/lib/os-release'))
  const field = (key: string): string => new RegExp(`^${key}=["']?(.*?)["']?$`, 'm').exec(release)?.[1] ?? ''
  const id = field('ID')
  const version = field('VERSION_ID')
  const kernel = (await read('/proc/sys/kernel/osrelease')).trim()
  return {
    os: { ...(id && { id }), ...(version && { version }), ...(kernel && { kernel }), supported: false },
    name: field('PRETTY_NAME') || 'This host',
  }
}

/** The folder, or the nearest one above it that is there. */
async function existing(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found ? path : existing(dirname(path))
}

/** Root may write to every mode; what access(2) still refuses is a read-only file system. */
async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  )
}
