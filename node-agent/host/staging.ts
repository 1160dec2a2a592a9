/** Folders of programs: brought in over https, made whole under another name, and moved to their place in one act. */

export interface Download {
  /** An https address. */
  readonly url: string
  /** A new file in a folder that is there. */
  readonly path: string
  /** Bytes that stay free on the file system: a node whose disk is full evicts its pods. */
  readonly reserveBytes: number
}

export interface Staging {
  /** Throws when there is one already. Those above it are made when missing. */
  makeFolder(path: string): Promise<void>
  /** Everything in the folder is durable before it gets its name, and the name is when this returns: a crash leaves no half of it. */
  moveFolder(from: string, to: string): Promise<void>
  /** With all that is in it; nothing happens when there is none. */
  removeFolder(path: string): Promise<void>
  /** The SHA-256 of what was fetched, in lower-case hexadecimal. Throws a sentence, and then leaves no file. */
  download(download: Download): Promise<string>
}
