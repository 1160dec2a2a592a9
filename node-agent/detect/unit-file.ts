/** Reads systemd unit files as far as a program's command line needs it, and remembers where each word comes from. */
import type { FileFound } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

export interface Word {
  readonly text: string
  readonly path: string
  /** Line in that file, from 1: the first one of a setting that goes on over several. */
  readonly line: number
  /** What it is written in there. */
  readonly source: 'ExecStart' | 'Environment' | 'EnvironmentFile'
}

export interface Service {
  /** The program and its arguments, variables replaced. */
  readonly command: readonly Word[]
  readonly environment: ReadonlyMap<string, Word>
  /** EnvironmentFiles, in the order of reading; those that are missing have no bytes. */
  readonly environmentFiles: readonly FileFound[]
}

interface Setting {
  readonly key: string
  readonly value: string
  readonly path: string
  readonly line: number
}

/** The [Service] section of a unit file and its drop-ins (`UnitState.files`). */
export async function readService(host: Host, files: readonly string[]): Promise<Service> {
  const read = async (path: string): Promise<FileFound> => ({ path, bytes: await host.readFile(path) })
  const units = await Promise.all(files.map(read))
  const paths = afterReset(settingsIn(units), 'EnvironmentFile').map(({ value }) => value.replace(/^-/, ''))
  return serviceOf(units, await Promise.all(paths.map(read)))
}

/** Pure: the same, of files that were read before. */
export function serviceOf(units: readonly FileFound[], environmentFiles: readonly FileFound[]): Service {
  const settings = settingsIn(units)
  const environment = new Map<string, Word>()
  for (const word of afterReset(settings, 'Environment').flatMap(assigned)) assign(environment, word)
  for (const word of environmentFiles.flatMap((file) => assignmentsOf(file, 'EnvironmentFile')))
    assign(environment, word)
  const start = afterReset(settings, 'ExecStart').at(-1)
  return { command: start ? commandOf(start, environment) : [], environment, environmentFiles }
}

/** Every `NAME=value` of an environment file, or of the Environment= lines of a unit file. */
export function assignmentsOf(file: FileFound, source: 'Environment' | 'EnvironmentFile'): Word[] {
  if (source === 'EnvironmentFile') return environmentOf(file)
  return settingsIn([file]).flatMap((setting) => (setting.key === 'Environment' ? assigned(setting) : []))
}

/** The value of `--name value` or `--name=value`, the last one: it is the one that counts. */
export function flagOf(command: readonly Word[], ...names: readonly string[]): Word | undefined {
  for (let at = command.length - 1; at > 0; at--) {
    const word = command[at]!
    const [name, ...value] = word.text.split('=')
    if (!names.includes(name!)) continue
    return value.length > 0 ? { ...word, text: value.join('=') } : command[at + 1]
  }
  return undefined
}

function settingsIn(files: readonly FileFound[]): Setting[] {
  return files.flatMap(({ path, bytes }) => settingsOf(path, bytes?.toString() ?? ''))
}

function assigned(setting: Setting): Word[] {
  const { path, line, value } = setting
  return wordsOf(value).map((text) => ({ text, path, line, source: 'Environment' }))
}

function settingsOf(path: string, text: string): Setting[] {
  const settings: Setting[] = []
  let section = ''
  let pending: { line: number; text: string } | undefined
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const isComment = /^\s*[#;]/.test(raw)
    if (isComment) continue
    const line: number = pending?.line ?? at + 1
    const whole: string = (pending?.text ?? '') + raw.trim()
    pending = whole.endsWith('\\') ? { line, text: `${whole.slice(0, -1)} ` } : undefined
    if (pending) continue
    section = /^\[(.+)\]$/.exec(whole)?.[1] ?? section
    const [, key, value] = /^([A-Za-z]+)\s*=\s*(.*)$/.exec(whole) ?? []
    if (section === 'Service' && key !== undefined) settings.push({ key, value: value!, path, line })
  }
  return settings
}

/** An empty assignment takes back those before it. */
function afterReset(settings: readonly Setting[], key: string): Setting[] {
  const all = settings.filter((setting) => setting.key === key)
  return all.slice(all.findLastIndex(({ value }) => value === '') + 1)
}

function environmentOf({ path, bytes }: FileFound): Word[] {
  const words: Word[] = []
  let pending: { line: number; text: string } | undefined
  for (const [at, raw] of (bytes?.toString() ?? '').split(/\r?\n/).entries()) {
    if (!pending && /^\s*[#;]/.test(raw)) continue
    const line: number = pending?.line ?? at + 1
    const whole: string = (pending?.text ?? '') + raw
    pending = whole.endsWith('\\') ? { line, text: whole.slice(0, -1) } : undefined
    const [, name, value] = (pending ? undefined : /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(whole)) ?? []
    if (name === undefined) continue
    words.push({ text: `${name}=${wordsOf(value!).join(' ')}`, path, line, source: 'EnvironmentFile' })
  }
  return words
}

function assign(environment: Map<string, Word>, word: Word): void {
  const at = word.text.indexOf('=')
  if (at > 0) environment.set(word.text.slice(0, at), { ...word, text: word.text.slice(at + 1) })
}

function commandOf({ value, path, line }: Setting, environment: ReadonlyMap<string, Word>): Word[] {
  return wordsOf(value.replace(/^[-@:+!|]+/, '')).flatMap((text) => {
    const alone = /^\$([A-Za-z_]\w*)$/.exec(text)?.[1]
    if (alone !== undefined) {
      const variable = environment.get(alone)
      return variable ? wordsOf(variable.text).map((word) => ({ ...variable, text: word })) : []
    }
    const replaced = text.replace(/\$\{([A-Za-z_]\w*)\}/g, (_, name: string) => environment.get(name)?.text ?? '')
    return [{ text: replaced, path, line, source: 'ExecStart' }]
  })
}

/** Splits at blanks outside of quotes. */
export function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, double: string | undefined, single: string | undefined) =>
      double === undefined ? single! : double.replace(/\\(.)/g, '$1'),
    ),
  )
}
