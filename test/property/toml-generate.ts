/** Random containerd configurations in every way of spelling that TOML allows. */
import fc from 'fast-check'

export interface Style {
  readonly version: 2 | 3 | 4
  readonly quote: '"' | "'"
  readonly indent: string
  readonly eol: '\n' | '\r\n'
  readonly finalNewline: boolean
  readonly comments: boolean
}

export interface HandlerText {
  readonly name: string
  readonly how: 'tables' | 'inline' | 'dotted' | 'options-only-header'
  readonly type: string
  readonly systemd: boolean | undefined
  readonly binary: string | undefined
  readonly extra: boolean
}

const style: fc.Arbitrary<Style> = fc.record({
  version: fc.constantFrom(2, 3, 4),
  quote: fc.constantFrom('"', "'"),
  indent: fc.constantFrom('', '  ', '\t'),
  eol: fc.constantFrom('\n', '\r\n'),
  finalNewline: fc.boolean(),
  comments: fc.boolean(),
})

const handler: fc.Arbitrary<HandlerText> = fc.record({
  name: fc.constantFrom('runc', 'crun', 'kata', 'nvidia', 'my-runc'),
  how: fc.constantFrom('tables', 'inline', 'dotted', 'options-only-header'),
  type: fc.constantFrom('io.containerd.runc.v2', 'io.containerd.runc.v2', 'io.containerd.kata.v2'),
  systemd: fc.constantFrom(true, false, undefined),
  binary: fc.constantFrom(undefined, '/usr/bin/crun', '/usr/sbin/runc', '/opt/wrapper'),
  extra: fc.boolean(),
})

export const configText: fc.Arbitrary<{ text: string; style: Style; handlers: readonly HandlerText[] }> = fc
  .record({
    style,
    handlers: fc.uniqueArray(handler, { selector: ({ name }) => name, maxLength: 3 }),
    isDotted: fc.boolean(),
    blocks: fc.shuffledSubarray(['cni', 'images', 'registry', 'other', 'array', 'section', 'default', 'grpc']),
  })
  .map(({ style, handlers, isDotted, blocks }) => {
    // Headers cannot add to what dots have spelled, so a text uses dots for all handlers or for none.
    const spelled = handlers.map((each) =>
      isDotted
        ? { ...each, how: 'dotted' as const }
        : each.how === 'dotted'
          ? { ...each, how: 'tables' as const }
          : each,
    )
    return { text: write(style, spelled, blocks), style, handlers: spelled }
  })

function write(style: Style, handlers: readonly HandlerText[], blocks: readonly string[]): string {
  const q = (text: string) => style.quote + text + style.quote
  const runtime = `plugins.${q(style.version === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.runtime')}`
  const note = (text: string) => (style.comments ? [`# ${text} [x] = "y" 'z'`] : [])
  const isDotted = handlers[0]?.how === 'dotted'
  const lines: string[] = [...note('head'), `version = ${style.version}  `, 'oom_score=0 # kept', '']
  const table = (name: string, ...pairs: string[]) => {
    lines.push(
      ...note(`before ${name.length}`),
      `${style.indent}[${name}]`,
      ...pairs.map((pair) => style.indent + style.indent + pair),
      '',
    )
  }
  const write = {
    cni: () => table(`${runtime}.cni`, 'bin_dir = "/opt/cni/bin"', 'conf_dir="/etc/cni/net.d"'),
    images: () =>
      style.version === 2
        ? table('proxy_plugins.x', 'type = "snapshot"')
        : table(`plugins.${q('io.containerd.cri.v1.images')}.pinned_images`, `sandbox = ${q('old/pause:1')}`),
    registry: () => table(`plugins.${q('io.containerd.other.v1.x')}`, "list = [ 'a', # one", '  "b" ]'),
    other: () => table('debug', 'level = """info"""'),
    array: () => lines.push('[[stream]]', 'accepts = []', '[[stream]]', ''),
    section: () => isDotted || table(runtime, 'enable_selinux = false'),
    default: () =>
      isDotted || table(`${runtime}.containerd`, `default_runtime_name = ${q(handlers[0]?.name ?? 'runc')} # chosen`),
    grpc: () => table('grpc', 'max_recv_message_size = 16_777_216', 'date = 2026-01-01T00:00:00Z'),
  } as Record<string, () => unknown>
  for (const block of blocks) write[block]!()
  if (isDotted) lines.push(`[${runtime}]`)
  for (const each of handlers) lines.push(...handlerLines(each, `${runtime}.containerd.runtimes`, style))
  const text = lines.join(style.eol)
  return style.finalNewline ? text + style.eol : text
}

function handlerLines(each: HandlerText, runtimes: string, { indent, comments }: Style): string[] {
  const options = [
    ...(each.systemd === undefined ? [] : [`SystemdCgroup = ${each.systemd}`]),
    ...(each.binary ? [`BinaryName = "${each.binary}"`] : []),
    ...(each.extra ? ['IoUid = 0'] : []),
  ]
  const type = `runtime_type = "${each.type}"`
  const header = `[${runtimes}.${each.name}]`
  switch (each.how) {
    case 'dotted':
      return [type, ...options.map((option) => `options.${option}`)].map(
        (pair) => `containerd.runtimes.${each.name}.${pair}`,
      )
    case 'inline':
      return [header, `${indent}${type}`, `${indent}options = { ${options.join(', ')} } # inline`, '']
    case 'options-only-header':
      return [
        `${indent}[${runtimes}.${each.name}.options]`,
        ...options,
        ...(comments ? ['# NoPivotRoot = true'] : []),
        '',
        header,
        type,
      ]
    default:
      return [
        header,
        type,
        '',
        `${indent}[${runtimes}.${each.name}.options]`,
        ...options.map((option) => indent + option),
      ]
  }
}
