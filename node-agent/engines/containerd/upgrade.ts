/** Pure: what files of containerd 1.x say that 2.x refuses, or reads without doing it. It is refused before 2.x starts. */
import type { FileFound, Found, Refusal } from '../engine.ts'
import { orRefusal, Refused, textOf } from '../refused.ts'
import { treeOf } from '../toml/file.ts'
import { lineOf } from '../toml/statements.ts'
import { isTable, type Path, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { criV2, imagesV3, layoutOf } from './paths.ts'
import { handlersOf } from './view.ts'

/** What the programs make of the files. */
export interface Programs {
  /** The effective configuration, as the program that runs sees it. */
  readonly known: Tree
  /** What the next program prints to its log while it reads the files. */
  readonly log: string
}

/** Undefined: everything in the files that has an effect keeps it. */
export function upgradeRefusal({ configFiles, observed }: Found, programs: Programs): Refusal | undefined {
  const version = observed.engine?.version ?? '2'
  const judged = orRefusal(() => {
    const documents = configFiles.map((file) => ({ file, tree: treeOf(file) }))
    checkSections(documents, version)
    for (const document of documents) {
      checkHandlers(document, version)
      for (const key of ignoredKeys(programs.log)) checkKey(document, key, { version, known: programs.known })
    }
    return undefined
  })
  return judged
}

/** 2.3.0 to 2.3.4 do not start when an imported file is of a later version of the format than the file that imports it. */
export function importRefusal(files: Found['configFiles'], version: string | undefined): Refusal | undefined {
  if (!/^v?2\.3\.[0-4](?!\d)/.test(version ?? '')) return undefined
  const judged = orRefusal(() => {
    const [main, ...imports] = files.map((file) => ({ file, stated: treeOf(file)['version'] }))
    const limit = Number(main!.stated ?? 1)
    const later = imports.find(({ stated }) => typeof stated === 'number' && stated > limit)
    if (!later) return undefined
    throw new Refused(
      'ConfigImported',
      `${later.file.path}:${lineIn(later.file, ['version'])} is of version ${later.stated}, the file ${main!.file.path} that imports it of version ${limit}, and containerd ${version} does not start so: remove the "version" line of ${later.file.path}, or take containerd 2.3.5 or newer`,
    )
  })
  return judged
}

interface Document {
  readonly file: FileFound
  readonly tree: Tree
}

/** 1.x takes a plugin's section from the last file that has it; 2.x merges them, and settings that had no effect get one. */
function checkSections(documents: readonly Document[], version: string): void {
  for (const [at, document] of documents.entries()) {
    for (const id of Object.keys(tableAt(document.tree, ['plugins']))) {
      const section: Path = ['plugins', id]
      const last = documents.slice(at + 1).findLast(({ tree }) => valueAt(tree, section) !== undefined)
      const dead = last && leafOnlyIn(document.tree, last.tree, section)
      if (!dead) continue
      throw new Refused(
        'ConfigImported',
        `${document.file.path}:${lineIn(document.file, dead)} sets ${dead.join('.')}, which has had no effect because ${last.file.path} replaces that whole section; containerd ${version} merges them, so it would get one: remove that line, or write the same into ${last.file.path}`,
      )
    }
  }
}

function leafOnlyIn(here: Tree, there: Tree, path: Path): Path | undefined {
  const value = valueAt(here, path)
  if (!isTable(value)) return isNeutral(value) || valueAt(there, path) !== undefined ? undefined : path
  for (const key of Object.keys(value)) {
    const leaf = leafOnlyIn(here, there, [...path, key])
    if (leaf) return leaf
  }
  return undefined
}

const goneTypes: unknown[] = ['io.containerd.runtime.v1.linux', 'io.containerd.runc.v1']

function checkHandlers({ file, tree }: Document, version: string): void {
  const layout = layoutOf(Number(tree['version'] ?? 2))
  for (const [name, handler] of handlersOf({ runtimes: tableAt(tree, layout.runtimes) })) {
    const path = [...layout.runtimes, name]
    if (goneTypes.includes(handler['runtime_type'])) {
      const type = String(handler['runtime_type'])
      throw gone(file, [...path, 'runtime_type'], {
        version,
        what: `handler "${name}" of type ${type}`,
        how: `make it io.containerd.runc.v2, or remove the handler`,
      })
    }
    if (!isNeutral(valueAt(handler, ['options', 'CriuPath']))) {
      throw gone(file, [...path, 'options', 'CriuPath'], {
        version,
        what: 'options.CriuPath',
        how: 'remove it: criu is looked up in the PATH of the shim',
      })
    }
    if (handler['snapshotter'] === 'aufs') throw goneSnapshotter(file, [...path, 'snapshotter'], version)
  }
  const snapshotter = [...criV2, 'containerd', 'snapshotter']
  if (valueAt(tree, snapshotter) === 'aufs') throw goneSnapshotter(file, snapshotter, version)
}

function goneSnapshotter(file: FileFound, path: Path, version: string): Refused {
  return gone(file, path, {
    version,
    what: 'the snapshotter aufs',
    how: 'make it overlayfs; images are pulled or carried anew then',
  })
}

/** What to do with settings that went, by their last key. */
const advice: Readonly<Record<string, string>> = {
  systemd_cgroup:
    'write SystemdCgroup into the options of each handler, or cgroupDriver into the profile, and remove it',
  default_runtime: 'write that table as one of "runtimes", name it in default_runtime_name, and remove it',
  untrusted_workload_runtime: 'write that table as runtimes.untrusted, and remove it',
  runtime_engine: 'write options.BinaryName of that handler, and remove it',
  runtime_root: 'write options.Root of that handler, and remove it',
  tls: "write ca, client and skip_verify into that registry's hosts.toml below registry.config_path, and remove it",
  plugin_dir: 'Go plugins are no longer loaded: remove it',
}

/** A key that the next program does not know counts when the one that runs knew it, and it says something. */
function checkKey({ file, tree }: Document, key: Path, { version, known }: { version: string; known: Tree }): void {
  for (const path of spellings(key)) {
    const value = valueAt(tree, path)
    if (isNeutral(value) || valueAt(known, path) === undefined) continue
    const last = path.at(-1)!
    throw gone(file, path, {
      version,
      what: path.slice(path[0] === 'plugins' ? 2 : 0).join('.'),
      how: advice[last] ?? 'remove it',
    })
  }
}

/** Where a file of version 2 or 3 may have what the program names by its place in the newest version. */
function spellings(key: Path): Path[] {
  const [plugins, id, ...rest] = key
  if (plugins !== 'plugins' || !id?.startsWith('io.containerd.cri.v1.')) return [key]
  const below = id === imagesV3[1] ? [[...criV2, 'containerd', ...rest]] : []
  return [key, [...criV2, ...rest], ...below]
}

/** Lines such as `msg="Ignoring unknown key in TOML for plugin" ... key="containerd no_pivot" plugin=io.containerd.cri.v1.runtime`. */
export function ignoredKeys(log: string): Path[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes('Ignoring unknown key in TOML')) return []
    const [, quoted, bare] = / key=(?:"([^"]*)"|(\S+))/.exec(line) ?? []
    const key = (quoted ?? bare)?.split(' ')
    const plugin = / plugin=(\S+)/.exec(line)?.[1]
    return key ? [plugin === undefined ? key : ['plugins', plugin, ...key]] : []
  })
}

/** False, nothing and empty are what a program takes an absent key for; configurations that a program printed are full of them. */
function isNeutral(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isTable(value)) return Object.values(value).every(isNeutral)
  return value === undefined || value === false || value === '' || value === 0
}

function gone(
  file: FileFound,
  path: Path,
  { version, what, how }: { version: string; what: string; how: string },
): Refused {
  return new Refused(
    'ConfigGone',
    `${file.path}:${lineIn(file, path)}: ${what} has no effect in containerd ${version} any more: ${how}`,
  )
}

function lineIn(file: FileFound, path: Path): number {
  return lineOf(textOf(file.path, file.bytes), path)
}
