/** Errors of the host that decide what is done next. */

/** The file system is full. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError'
}

/** The file system cannot be written to. */
export class ReadOnlyError extends Error {
  override readonly name = 'ReadOnlyError'
}

/** A systemd unit did not do what it was told. */
export class UnitError extends Error {
  override readonly name = 'UnitError'
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

export function isFolder(error: unknown): boolean {
  return codeOf(error) === 'EISDIR'
}

export function isNotEmpty(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

/** The error of a write, with a type where the answer to it differs. */
export function writeError(error: unknown, path: string): Error {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new NoSpaceError(`No space is left to write ${path}: free some space on its file system.`, { cause: error })
  }
  if (code === 'EROFS') {
    return new ReadOnlyError(`${path} is on a read-only file system: mount it writable.`, { cause: error })
  }
  return error instanceof Error ? error : new Error(String(error))
}
