import { isDeepStrictEqual } from 'node:util'
import { diffLines } from 'diff'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import t from 'tap'
import { actionFor } from '../../node-agent/engines/containerd/action.ts'
import { renderConfig } from '../../node-agent/engines/containerd/config.ts'
import { migrated } from '../../node-agent/engines/containerd/migrate.ts'
import { type FileEdit, type Found, isRefusal, type Pasts, type Target } from '../../node-agent/engines/engine.ts'
import { configText } from './toml-generate.ts'

const path = '/etc/containerd/config.toml'
const runs = { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 250) }

const target: fc.Arbitrary<Target> = fc
  .record({
    driver: fc.constantFrom('systemd' as const, 'cgroupfs' as const, undefined),
    image: fc.constantFrom('registry.example/pause:3.10', undefined),
    names: fc.uniqueArray(fc.constantFrom('runc', 'crun', 'extra'), { maxLength: 3 }),
    chosen: fc.nat(2),
    root: fc.boolean(),
  })
  .map(({ driver, image, names, chosen, root }) => ({
    engine: { name: 'containerd' as const },
    ...(driver ? { cgroupDriver: driver } : {}),
    ...(image ? { sandboxImage: image } : {}),
    ...(names.length > 0
      ? {
          handlers: names.map((name, at) => ({
            name,
            type: name === 'crun' ? ('crun' as const) : ('runc' as const),
            default: at === chosen % names.length,
            ...(root ? { options: { root: `/run/${name}` } } : {}),
          })),
        }
      : {}),
  }))

function found(bytes: Buffer | undefined, version: number): Found {
  return {
    observed: { engine: { name: 'containerd', version: version === 2 ? '1.7.24' : '2.3.7' } },
    configFiles: [{ path, bytes }],
    ociRuntimes: [
      { path: '/usr/sbin/runc', kind: 'runc', version: '1.1.5' },
      { path: '/usr/bin/crun', kind: 'crun', version: '1.8.1' },
      { path: '/opt/wrapper', kind: 'other', version: undefined },
    ],
    searchPath: ['/usr/sbin', '/usr/bin'],
  }
}

function edit(
  bytes: Buffer | undefined,
  version: number,
  wanted: Target,
  pasts: Pasts = new Map(),
): FileEdit | undefined {
  const edits = renderConfig(found(bytes, version), wanted, pasts)
  if (isRefusal(edits)) throw new Error(edits.message)
  return edits[0]
}

/** A file that names an undefined default handler is refused: not what these properties are about. */
function meets(text: string, version: number, wanted: Target): FileEdit | undefined | 'refused' {
  const edits = renderConfig(found(Buffer.from(text), version), wanted, new Map())
  if (isRefusal(edits)) return edits.reason === 'DefaultHandlerUndefined' ? 'refused' : (t.fail(edits.message) as never)
  return edits[0]
}

/** A file of 1.x without its default handler is repaired even by a target that asks for nothing. */
function isBroken(text: string, version: number): boolean {
  return meets(text, version, { engine: { name: 'containerd' } }) !== undefined
}

function leaves(value: unknown, at = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
    return new Map([[at, JSON.stringify(value)]])
  }
  return new Map(Object.entries(value).flatMap(([key, each]) => [...leaves(each, `${at}/${key}`)]))
}

const ours = /\/(default_runtime_name|sandbox_image|sandbox|runtime_type|SystemdCgroup|BinaryName|Root)$/

t.test('an edit changes the keys that it means and no others, and leaves every other line as it was', async (t) => {
  fc.assert(
    fc.property(configText, target, ({ text, style }, wanted) => {
      const result = meets(text, style.version, wanted)
      if (result === undefined || result === 'refused') return
      const after = result.after!.toString()
      const [before, now] = [leaves(parse(text)), leaves(parse(after))]
      for (const key of new Set([...before.keys(), ...now.keys()])) {
        if (before.get(key) !== now.get(key) && !ours.test(key)) throw new Error(`changed ${key}\n${after}`)
      }
      // A line that ends the text gets its line end when others follow.
      expectLines(`${text}${style.eol}`, `${after}${style.eol}`)
    }),
    runs,
  )
  t.pass()
})

/** Every line that the edit does not mean is there still, in its order. */
function expectLines(before: string, after: string): void {
  const meant = /default_runtime_name|sandbox|runtime_type|SystemdCgroup|BinaryName|options/
  for (const { removed, value } of diffLines(before, after)) {
    if (removed)
      for (const line of value.trimEnd().split('\n'))
        if (!meant.test(line)) throw new Error(`lost ${JSON.stringify(line)}\n${after}`)
  }
}

function criOf(text: string, version: number): Cri | undefined {
  const tree = parse(text) as { plugins?: Record<string, { containerd?: Cri }> }
  return tree.plugins?.[version === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.runtime']?.containerd
}

interface Cri {
  readonly default_runtime_name?: string
  readonly runtimes?: Record<string, { runtime_type?: string; options?: { SystemdCgroup?: boolean; Root?: string } }>
}

function lacks(cri: Cri | undefined, { handlers, cgroupDriver }: Target): string | undefined {
  const chosen = cri?.default_runtime_name ?? 'runc'
  const wrong = handlers?.find(({ name, default: isDefault, options }) => {
    const handler = cri?.runtimes?.[name]
    const isDriven = handler?.runtime_type === 'io.containerd.runc.v2'
    return !isDriven || (isDefault && chosen !== name) || (options?.root && handler.options?.Root !== options.root)
  })
  if (wrong) return `handler ${wrong.name}`
  for (const [name, { runtime_type, options }] of Object.entries(cri?.runtimes ?? {})) {
    const isWrong = (options?.SystemdCgroup === true) !== (cgroupDriver === 'systemd')
    if (cgroupDriver && runtime_type === 'io.containerd.runc.v2' && isWrong) return `driver of ${name}`
  }
  return cri?.runtimes?.[chosen]?.runtime_type ? undefined : 'a defined default handler'
}

t.test('the result is what was asked for', async (t) => {
  fc.assert(
    fc.property(configText, target, ({ text, style }, wanted) => {
      const result = meets(text, style.version, wanted)
      if (!result || result === 'refused') return
      const lacking = lacks(criOf(`${result.after}`, style.version), wanted)
      if (lacking) throw new Error(`lacks ${lacking}:\n${result.after}`)
    }),
    runs,
  )
  t.pass()
})

t.test('twice is once', async (t) => {
  fc.assert(
    fc.property(configText, target, ({ text, style }, wanted) => {
      const once = meets(text, style.version, wanted)
      if (!once || once === 'refused') return
      const pasts = new Map([[path, { original: once.original, written: once.after }]])
      const again = [edit(once.after, style.version, wanted), edit(once.after, style.version, wanted, pasts)]
      if (again.some((each) => each !== undefined)) throw new Error(`edited again:\n${again}`)
      if (actionFor(found(once.after, style.version), []) !== 'None') throw new Error('acts again')
    }),
    runs,
  )
  t.pass()
})

t.test('what was added goes without a trace', async (t) => {
  fc.assert(
    fc.property(configText, target, ({ text, style }, wanted) => {
      const there = meets(text, style.version, wanted)
      if (!there || there === 'refused') return
      if (isBroken(text, style.version)) return
      const pasts = new Map([[path, { original: there.original, written: there.after }]])
      const back = edit(there.after, style.version, { engine: { name: 'containerd' } }, pasts)
      if (back?.after?.toString() !== text) throw new Error(`not restored:\n${back?.after}`)
    }),
    runs,
  )
  t.pass()
})

t.test('what others wrote since stays when ours goes', async (t) => {
  fc.assert(
    fc.property(configText, target, fc.boolean(), ({ text, style }, wanted, atEnd) => {
      const there = meets(text, style.version, wanted)
      if (!there || there === 'refused') return
      if (isBroken(text, style.version)) return
      const theirs = `${style.eol}[theirs]${style.eol}key = "value"${style.eol}`
      const written = there.after!.toString()
      const now = Buffer.from(atEnd ? written + theirs : written.replace('oom_score=0', 'oom_score=-999'))
      if (isBroken(text, style.version)) return
      const pasts = new Map([[path, { original: there.original, written: there.after }]])
      const back = edit(now, style.version, { engine: { name: 'containerd' } }, pasts)
      const expected = parse(atEnd ? text + theirs : text.replace('oom_score=0', 'oom_score=-999'))
      if (!isDeepStrictEqual(parse(back!.after!.toString()), expected)) throw new Error(`lost:\n${back!.after}`)
      if (!isDeepStrictEqual(back!.original, back!.after)) throw new Error('original is not what is left')
    }),
    runs,
  )
  t.pass()
})

/** The same node with containerd 2.3.7 ready, in place of 1.7.24. */
function ahead(bytes: Buffer): Found {
  const { observed, ...rest } = found(bytes, 3)
  return { observed, ...rest, replaces: '1.7.24' }
}

const version2 = configText.filter(({ style }) => style.version === 2)

t.test('a file that follows its containerd to 2.x keeps every comment and setting', async (t) => {
  fc.assert(
    fc.property(version2, ({ text }) => {
      const moved = migrated(text, { hasBinDirs: true })
      if (moved === undefined) throw new Error(`not moved:\n${text}`)
      const comments = (from: string) => (from.match(/#.*/g) ?? []).map((each) => each.trim()).sort()
      if (!isDeepStrictEqual(comments(moved), comments(text))) throw new Error(`lost a comment:\n${moved}`)
      const values = (from: string) =>
        [...leaves(parse(from)).values()].map((each) => each.replaceAll(/[[\]]/g, '')).sort()
      const after = values(moved.replace('version = 3', 'version = 2'))
      if (!isDeepStrictEqual(after, values(text))) throw new Error(`lost a setting:\n${moved}`)
      if (text.includes('\r\n') !== moved.includes('\r\n') || /[^\r]\n/.test(moved) !== /[^\r]\n/.test(text)) {
        throw new Error(`other line ends:\n${moved}`)
      }
    }),
    runs,
  )
  t.pass()
})

t.test('twice is once, and what others wrote since stays, after an upgrade too', async (t) => {
  fc.assert(
    fc.property(version2, target, ({ text, style }, wanted) => {
      const edits = renderConfig(ahead(Buffer.from(text)), wanted, new Map())
      if (isRefusal(edits)) return
      const [{ original, after }] = edits as [FileEdit]
      const pasts = new Map([[path, { original, written: after }]])
      if (`${original}` !== text) throw new Error('another original')
      if (edit(after, 3, wanted, pasts)) throw new Error('edited again')
      const theirs = `${style.eol}[theirs]${style.eol}key = "value"${style.eol}`
      const now = Buffer.from(`${after}${theirs}`)
      if (edit(now, 3, wanted, pasts)) throw new Error('touched what somebody has edited and what is as wanted')
      const other: Target = { ...wanted, sandboxImage: 'registry.example/other:1' }
      const again = edit(now, 3, other, pasts)
      const expected = leaves(parse(`${edit(after, 3, other, pasts)?.after}${theirs}`))
      if (!isDeepStrictEqual(leaves(parse(`${again?.after}`)), expected)) throw new Error(`lost:\n${again?.after}`)
    }),
    { numRuns: Math.ceil(runs.numRuns / 4) },
  )
  t.pass()
})
