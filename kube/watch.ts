import { KubeError } from './errors.ts'
import type { KubeObject } from './resource.ts'

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Nothing changed up to this resource version: go on from here after a reconnect. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

type WireEvent<T> = { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'; object: T }

const shortestWatchSeconds = 290
const watchSpreadSeconds = 300

/** 290 to 590: spread out, so that clients which connected together do not reconnect together. */
export function watchTimeoutSeconds(random: () => number): number {
  return shortestWatchSeconds + Math.floor(random() * (watchSpreadSeconds + 1))
}

/** Parses the lines of a watch. An ERROR event is thrown as KubeError, a broken line as SyntaxError. */
export async function* readWatch<T extends KubeObject>(
  lines: AsyncIterable<string>,
  path: string,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines) {
    const { type, object } = JSON.parse(line) as WireEvent<T>
    if (type === 'ERROR') {
      const { code } = object as { code?: number }
      throw new KubeError(`WATCH ${path}`, { status: code ?? 500, body: object })
    }
    if (type === 'BOOKMARK') yield { type, resourceVersion: object.metadata.resourceVersion ?? '' }
    else yield { type, object }
  }
}
