/** The staging of this machine. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeError } from './errors.ts'
import type { Staging } from './staging.ts'

export function systemStaging(): Staging {
  return {
    makeFolder: (path) => writing(path, () => makeFolder(path)),
    moveFolder: (from, to) => writing(to, () => moveFolder(from, to)),
    removeFolder: (path) => rm(path, { recursive: true, force: true }),
    // TLS takes 5 MB, and most changes bring no programs.
    download: async (download) => (await import('./download.ts')).download(download),
  }
}

async function writing(path: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    throw writeError(error, path)
  }
}

/** The process may have a narrow umask: these folders are read by everybody, as /usr is. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await mkdir(path)
  const folder = await open(path)
  try {
    await folder.chmod(0o755)
  } finally {
    await folder.close()
  }
}

async function moveFolder(from: string, to: string): Promise<void> {
  await syncAll(from)
  await rename(from, to)
  await sync(dirname(to))
}

async function syncAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncAll(path)
    else if (entry.isFile()) await sync(path)
  }
  await sync(folder)
}

async function sync(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
