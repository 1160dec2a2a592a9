/** Reads systemd unit files as far as a program's command line needs it, and remembers where each word comes from. */
import type { FileFound } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

export interface Word {
  readonly text: string
  readonly path: string
  /** Line in that file, from 1. */
  readonly line: number
  readonly environmentFile: boolean
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
  const settings: Setting[] = []
  for (const path of files) settings.push(...settingsOf(path, (await host.readFile(path))?.toString() ?? ''))
  const environment = new Map<string, Word>()
  for (const setting of afterReset(settings, 'Environment')) {
    for (const word of wordsOf(setting.value)) assign(environment, { ...setting, text: word, environmentFile: false })
  }
  const environmentFiles: FileFound[] = []
  for (const { value } of afterReset(settings, 'EnvironmentFile')) {
    const path = value.replace(/^-/, '')
    const bytes = await host.readFile(path)
    environmentFiles.push({ path, bytes })
    for (const word of environmentOf(path, bytes?.toString() ?? '')) assign(environment, word)
  }
  const start = afterReset(settings, 'ExecStart').at(-1)
  return { command: start ? commandOf(start, environment) : [], environment, environmentFiles }
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

function environmentOf(path: string, text: string): Word[] {
  return text.split(/\r?\n/).flatMap((raw, at) => {
    const [, name, value] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(raw) ?? []
    if (name === undefined) return []
    return [{ text: `${name}=${wordsOf(value!).join(' ')}`, path, line: at + 1, environmentFile: true }]
  })
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
    return [{ text: replaced, path, line, environmentFile: false }]
  })
}

/** Splits at blanks outside of quotes. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, double: string | undefined, single: string | undefined) =>
      double === undefined ? single! : double.replace(/\\(.)/g, '$1'),
    ),
  )
}
