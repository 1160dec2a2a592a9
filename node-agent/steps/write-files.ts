import { blobName } from '../journal/blobs.ts'
import type { BlobName, Change, FileRecord } from '../journal/records.ts'
import type { Step, StepContext } from './step.ts'

type Files = Pick<StepContext, 'host' | 'blobs'> & { readonly change: Pick<Change, 'files'> }
type Restoring = Files & Pick<StepContext, 'withReserve'>

const found = async ({ host }: Files, { path }: FileRecord): Promise<BlobName> => blobName(await host.readFile(path))

async function put({ host, blobs }: Files, { path, mode }: FileRecord, name: BlobName): Promise<void> {
  const bytes = await blobs.get(name)
  await (bytes ? host.replaceFile(path, bytes, mode) : host.removeFile(path))
}

const unitFolders = /^\/(etc|run|usr\/lib|usr\/local\/lib|lib)\/systemd\/system\//

/** systemd goes on with what it has read until it is told. */
async function reload({ host, change }: Files): Promise<void> {
  if (change.files.some(({ path }) => unitFolders.test(path))) await host.daemonReload()
}

/** What Drydock made for its files goes with them, unless somebody has put something there. */
async function removeEmptied({ host, change }: Files): Promise<void> {
  const folders = new Set(change.files.flatMap(({ folders = [] }) => folders))
  const innermostFirst = [...folders].sort((a, b) => b.length - a.length)
  for (const folder of innermostFirst) await host.removeFolder(folder)
}

async function write(files: Files): Promise<void> {
  for (const file of files.change.files) {
    const now = await found(files, file)
    if (now === file.after) await files.host.makeDurable(file.path)
    else if (now === file.before) await put(files, file, file.after)
    else throw new Error(`${file.path} was changed by somebody else since the change was prepared.`)
  }
  await removeEmptied(files)
  await reload(files)
}

/**
 * Puts the former bytes back, the last file first. Only what Drydock wrote is undone: a file that is neither the former
 * nor the new one is somebody else's, and stays. A file that cannot be restored does not keep the others from it.
 */
export async function restoreFiles(files: Restoring): Promise<void> {
  const errors: unknown[] = []
  for (const file of files.change.files.toReversed()) {
    try {
      await files.host.discardUnfinished(file.path)
      const now = await found(files, file)
      if (now === file.after) await files.withReserve(() => put(files, file, file.before))
      else await files.host.makeDurable(file.path)
    } catch (error) {
      errors.push(error)
    }
  }
  await removeEmptied(files).catch((error) => errors.push(error))
  await reload(files).catch((error) => errors.push(error))
  if (errors.length > 0) throw errors[0]
}

export const writeFiles: Step = {
  name: 'write-files',
  apply: write,
  revert: restoreFiles,
}
