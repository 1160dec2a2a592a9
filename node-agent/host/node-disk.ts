/** The disk of this machine. */
import { constants } from 'node:fs'
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rmdir,
  truncate,
  unlink,
} from 'node:fs/promises'
import type { Attributes, Disk } from './disk.ts'
import { isFolder, isMissing, isNotEmpty, writeError } from './errors.ts'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/**
 * What is written in large pieces lies in large pages of the page cache, and a program whose file lies so is charged for
 * them whole: the Node binary for 17 MB more.
 */
const chunkBytes = 64 * 1024

/** A missing file is an answer, not an error. */
async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The error of a read that fails after the file was opened does not say which file it was. */
async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isMissing(error) || isFolder(error)) return undefined
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

async function writing<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw writeError(error, path)
  }
}

async function withFile(path: string, flags: number, act: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags, 0o600)
  try {
    await act(file)
  } finally {
    await file.close()
  }
}

async function create(path: string, bytes: Buffer, attributes: Attributes | undefined): Promise<void> {
  await withFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, async (file) => {
    for (let at = 0; at < bytes.length; at += chunkBytes) await file.writeFile(bytes.subarray(at, at + chunkBytes))
    if (attributes) {
      await file.chown(attributes.uid, attributes.gid)
      await file.chmod(attributes.mode)
    }
  })
}

export const nodeDisk: Disk = {
  read,
  list: async (path) => ((await unlessMissing(readdir(path))) ?? []).sort(),
  resolve: (path) => unlessMissing(realpath(path)),
  attributes: async (path) => {
    const found = await unlessMissing(lstat(path))
    // Those of a link are nobody's choice: it lets everybody do everything.
    return found && !found.isSymbolicLink() ? { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid } : undefined
  },
  create: (path, bytes, attributes) => writing(path, () => create(path, bytes, attributes)),
  append: (path, bytes) =>
    writing(path, () => withFile(path, O_WRONLY | O_APPEND | O_NOFOLLOW, (file) => file.writeFile(bytes))),
  truncate: (path, length) => writing(path, () => truncate(path, length)),
  sync: (path) => writing(path, () => withFile(path, O_RDONLY, (file) => file.sync())),
  rename: (from, to) => writing(to, () => rename(from, to)),
  unlink: (path) =>
    writing(path, async () => {
      await unlessMissing(unlink(path))
    }),
  makeFolder: (path, mode) =>
    writing(path, async () => {
      await mkdir(path, { recursive: true, mode })
    }),
  removeFolder: (path) =>
    writing(path, () =>
      rmdir(path).catch((error) => {
        if (!isMissing(error) && !isNotEmpty(error)) throw error
      }),
    ),
}
