import { createConnection, createServer, type Server } from 'node:net'
import type { Log } from './progress.ts'

/**
 * A lock among all processes of this machine. It is an abstract Unix socket: the kernel frees it when its holder
 * dies, however it dies, so there is no stale lock to judge.
 */
export interface Lock {
  release(): void
}

/** The lock, or undefined when another process has it. */
export function tryLock(name: string): Promise<Lock | undefined> {
  return new Promise((resolve, reject) => {
    const server: Server = createServer((waiting) => waiting.on('error', () => undefined).resume())
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(addressOf(name), () => {
      const waiters = new Set<{ destroy(): void }>()
      server.on('connection', (socket) => waiters.add(socket))
      server.unref()
      resolve({
        release: () => {
          server.close()
          for (const socket of waiters) socket.destroy()
        },
      })
    })
  })
}

/** Runs `work` under the lock, waiting for whoever has it. */
export async function withLock<T>(name: string, log: Log, work: () => Promise<T>): Promise<T> {
  let lock = await tryLock(name)
  if (!lock) log(`another process works on ${name}: waiting for it`)
  while (!lock) {
    await holderGone(name)
    lock = await tryLock(name)
  }
  try {
    return await work()
  } finally {
    lock.release()
  }
}

function holderGone(name: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: addressOf(name) })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.resume()
  })
}

function addressOf(name: string): string {
  return `\0drydock-testbed/${name}`
}
