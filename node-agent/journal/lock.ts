/**
 * One writer per folder: a lock that the kernel lets go when the process ends, however it ends. Node has no flock, so
 * flock(1) takes it on a descriptor that this process shares with it: the lock belongs to the open file, not to the program.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

/** Holds until the process ends or the handle is closed. Throws when another process holds it. */
export async function lockFolder(folder: string): Promise<FileHandle> {
  const file = await open(join(folder, 'lock'), 'w', 0o600)
  const child = spawn('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd] })
  const [code] = await once(child, 'exit')
  if (code === 0) return file
  await file.close()
  throw new Error(`Another Drydock process works with ${folder}: wait until it has ended.`)
}
