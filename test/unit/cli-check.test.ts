import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { parseDocument } from 'yaml'
import { check } from '../../cli/check/check.ts'
import { locate } from '../../cli/check/locate.ts'
import { run } from '../../cli/program.ts'
import { plain } from '../../cli/render/paint.ts'
import { createValidator } from '../../crds/validate.ts'
import { nodeGuard } from '../../images/bundle.ts'

const validate = createValidator()
const judge = (text: string) => check({ name: 'f.yaml', text }, validate)

const profile = (rest: string) => `apiVersion: drydock.dev/v1alpha1
kind: RuntimeProfile
metadata:
  name: workers
spec:
  nodeSelector:
    matchLabels: {pool: workers}
${rest}`

t.test('a problem names file, line, field and what to write', async (t) => {
  const cases: readonly [name: string, text: string, problems: readonly RegExp[]][] = [
    ['nothing is wrong', profile('  engine: {name: containerd}\n'), []],
    [
      'a value that is not supported, in the line of its key',
      profile('  engine:\n    name: docker\n'),
      [/^f\.yaml:9: spec\.engine\.name: Unsupported value: write one of containerd, cri-o/],
    ],
    [
      'an item of a list',
      profile('  engine: {name: containerd}\n  handlers:\n    - name: runc\n    - name: crun\n      binary: crun\n'),
      [/^f\.yaml:12: spec\.handlers\[1\]\.binary: /],
    ],
    [
      'an unknown field, where it stands',
      profile('  engine: {name: containerd}\n  rollouts:\n    paused: true\n'),
      [/^f\.yaml:9: spec\.rollouts: unknown field/],
    ],
    [
      'a missing field, at its nearest parent',
      profile('  drift: Report\n'),
      [/^f\.yaml:5: spec\.engine: Required value/],
    ],
    [
      'a second item of the same name',
      profile('  engine: {name: containerd}\n  handlers:\n    - {name: runc}\n    - {name: runc}\n'),
      [/^f\.yaml:11: spec\.handlers\[1\]: Duplicate value/],
    ],
    [
      'a key that is there twice',
      profile('  engine: {name: containerd}\n  engine: {}\n'),
      [/^f\.yaml:9: not valid YAML: /],
    ],
    [
      'half a document',
      '{"kind": "RuntimeProfile",\n "spec": [',
      [/^f\.yaml:2: not valid YAML: /, /:2: not valid YAML/],
    ],
    [
      'another version of the API',
      profile('  engine: {name: containerd}\n').replace('v1alpha1', 'v7'),
      [/^f\.yaml:1: apiVersion: Unsupported value: write one of drydock\.dev\/v1alpha1/],
    ],
    [
      'JSON',
      '{\n\t"apiVersion": "drydock.dev/v1alpha1",\n\t"kind": "RuntimeProfile",\n\t"metadata": {"name": "x"},\n\t"spec": {\n\t\t"nodeSelector": {},\n\t\t"engine": {"name": "podman"}\n\t}\n}',
      [/^f\.yaml:7: spec\.engine\.name: Unsupported value/],
    ],
  ]
  for (const [name, text, wanted] of cases) {
    const { problems } = judge(text)
    t.equal(problems.length, wanted.length, `${name}: ${problems.join('; ')}`)
    for (const [index, pattern] of wanted.entries()) t.match(problems[index], pattern, name)
  }
})

const valid = '  engine: {name: containerd}\n'

t.test('what the API server says of metadata, and of nulls and words that YAML 1.1 knew', async (t) => {
  const headed = (metadata: string) => profile(valid).replace('metadata:\n  name: workers\n', `metadata: ${metadata}\n`)
  const cases: readonly [text: string, wanted: RegExp | undefined][] = [
    [headed('{generateName: w-}'), undefined],
    [headed('{name: w, namespace: default, creationTimestamp: null}'), undefined],
    [headed('{name: Workers_1}'), /^f\.yaml:3: metadata\.name: Invalid value: write a DNS-1123 subdomain/],
    [headed('{name: ""}'), /metadata\.name: Invalid value/],
    [headed('{labels: {a: b}}'), /metadata\.name: Required value/],
    [headed('{name: w, annotations: {a: 1.5}}'), /metadata\.annotations\.a: Invalid value: write string/],
    [headed('{name: w, annotations: {drydock.dev/retry: 2}}'), /metadata\.annotations\.drydock\.dev\/retry: Invalid/],
    [headed('{name: w, annotations: {drydock.dev/retry: 2026-01-01}}'), undefined],
    [headed('{name: w, annotations: {a b: x}}'), /metadata\.annotations\.a b: Invalid value: write a key such as/],
    [headed('{name: w, labels: {a: "x y"}}'), /metadata\.labels\.a: Invalid value: write a label value/],
    [headed('{name: w, labels: {a: yes}}'), /metadata\.labels\.a: Invalid value: write string/],
    [headed('{name: w, labels: [x]}'), /metadata\.labels: Invalid value: write object/],
    [headed('{name: w, annotatons: {a: b}}'), /metadata\.annotatons: unknown field/],
    [headed('{name: w, finalizers: ["a b"]}'), /metadata\.finalizers\[0\]: Invalid value/],
    [profile(`${valid}  rollout:\n  handlers:\n  cgroupDriver: null\n`), undefined],
    [profile(`${valid}  rollout: {canary: {nodes: null, soak: 1m}, drain: {timeout: }}\n`), undefined],
    [profile(`${valid}  handlers: [null]\n`), /spec\.handlers\[0\]: Invalid value: write object/],
    [profile(`${valid}  rolout:\n`), /spec\.rolout: unknown field/],
    [profile(`${valid}  handlers: [{name: runc, default: yes}]\n`), undefined],
    [profile(valid).replace('pool: workers', 'pool: on'), /matchLabels\.pool: Invalid value: write string/],
    [profile('  engine: {<<: {name: containerd}}\n'), undefined],
    [profile(`${valid}  rollout: {maxUnavailable: 99999999999999999999}\n`), /maxUnavailable: Invalid value/],
  ]
  for (const [text, wanted] of cases) {
    const { problems } = judge(text)
    if (wanted) t.match(problems.join('\n'), wanted, text)
    t.equal(problems.length, wanted ? 1 : 0, problems.join('; ') || text)
  }
  t.strictSame(judge(profile(`${valid}  rollout:\n`)).objects, judge(profile(valid)).objects, 'nobody meets the nulls')
})

t.test('documents: others are skipped with a word, empty ones without, Lists are opened', async (t) => {
  const good = profile('  engine: {name: containerd}\n')
  const bad = profile('  engine: {name: docker}\n')
  const many = judge(`---\n---\nkind: Service\nmetadata: {name: shop}\n---\n${good}---\n${bad}---\njust text\n`)
  t.equal(many.profiles, 2)
  t.equal(many.problems.length, 1)
  t.match(many.problems[0], /^f\.yaml:22: spec\.engine\.name/)
  t.strictSame(many.skipped, [
    'f.yaml:3: skipped: Service shop is no RuntimeProfile',
    'f.yaml:24: skipped: a document without fields is no RuntimeProfile',
  ])
  const listed = judge(`kind: List\nitems:\n- ${bad.trimEnd().replaceAll('\n', '\n  ')}\n- {kind: Pod}\n`)
  t.equal(listed.profiles, 1)
  t.match(listed.problems[0], /^f\.yaml:10: spec\.engine\.name/)
  t.equal(listed.skipped.length, 1)
  t.strictSame(judge(''), { problems: [], skipped: [], profiles: 0, objects: [] })
})

t.test('a path is found although names have dots and brackets, and as far as it goes', async (t) => {
  const text = 'a:\n  x.y/z: 1\n  x:\n    y/z: 2\n    q: 3\nlist:\n- k: 1\n- k: 2\nanchor: &one {deep: 1}\n'
  const root = parseDocument(text).contents
  const line = (path: string) => text.slice(0, locate(root, path)).split('\n').length
  const cases = [
    ['a.x.y/z', 2],
    ['a[x.y/z]', 2],
    ['a.x.q', 5],
    ['a.x.missing', 3],
    ['list[1].k', 8],
    ['list[7].k', 6],
    ['nothing', 1],
    ['', 1],
    ['anchor.deep', 9],
  ] as const
  for (const [path, wanted] of cases) t.equal(line(path), wanted, path)
})

t.test('the program: exit codes, streams and lines', async (t) => {
  const folder = t.testdir({
    'good.yaml': profile('  engine: {name: containerd}\n'),
    'bad.yaml': profile('  engine: {name: docker}\n'),
    'none.yaml': 'kind: Pod\n',
  })
  const file = (name: string) => join(folder, name)
  const drydock = async (argv: readonly string[], input = '') => {
    const said = { stdout: '', stderr: '' }
    const into = (stream: keyof typeof said) => async (text: string) => {
      said[stream] += text
    }
    const terminal = {
      input: Readable.from([input]),
      print: into('stdout'),
      complain: into('stderr'),
      paint: plain,
      width: 80,
    }
    return { code: await run(argv, terminal), ...said }
  }
  const cases: readonly [argv: string[], code: number, stdout: RegExp, stderr: RegExp, input?: string][] = [
    [['check', file('good.yaml')], 0, /^$/, /^1 RuntimeProfile is valid\n$/],
    [
      ['check', file('good.yaml'), file('bad.yaml')],
      1,
      /^\S+\/bad\.yaml:8: spec\.engine\.name: .*\n$/,
      /1 problem found/,
    ],
    [['check', '-'], 1, /^-:8: spec\.engine\.name: /, /1 problem found/, profile('  engine: {name: docker}\n')],
    [['check', file('none.yaml')], 1, /^$/, /there is no RuntimeProfile in \S+\/none\.yaml/],
    [['check', 'nowhere.yaml'], 2, /^$/, /cannot read nowhere\.yaml \(ENOENT\)/],
    [['check'], 2, /^$/, /missing required argument/],
    [['frobnicate'], 2, /^$/, /unknown command/],
    [['report', '-o', 'pdf'], 2, /^$/, /Allowed choices are md, json, html/],
    [['report', 'x', '--list'], 2, /^$/, /leave the name out/],
    [['report', '--list', '-o', 'html'], 2, /^$/, /--list gives a table or json/],
    [['preflight', '--node', 'a', '--profile', 'b'], 2, /^$/, /cannot be used with/],
    [['--help'], 0, /Exit codes: 0 .*\n3 no answer/, /^$/],
    [['version'], 0, /^drydock \S+, API drydock\.dev\/v1alpha1\n$/, /^$/],
    [['--kubeconfig', 'nowhere', 'status'], 3, /^$/, /^drydock: there is no nowhere: name a file that exists\n$/],
    [['--kubeconfig', file('none.yaml'), 'status'], 3, /^$/, /^drydock: the kubeconfig cannot be used: /],
  ]
  for (const [argv, code, stdout, stderr, input] of cases) {
    const ended = await drydock(argv, input)
    t.equal(ended.code, code, `drydock ${argv.join(' ')}: ${ended.stderr}`)
    t.match(ended.stdout, stdout)
    t.match(ended.stderr, stderr)
  }
})

t.test('the process: standard input, both streams, exit code, and a reader that leaves early', async (t) => {
  const main = join(import.meta.dirname, '../../cli/main.ts')
  const ended = spawnSync(process.execPath, [main, 'check', '-'], { input: 'kind: Pod\n', encoding: 'utf8' })
  t.match(ended, {
    status: 1,
    stdout: '',
    stderr: /^-:1: skipped: Pod is no RuntimeProfile\nthere is no RuntimeProfile in -\n$/,
  })
  const closed = spawnSync('sh', ['-c', '"$0" "$1" --help | true', process.execPath, main], { encoding: 'utf8' })
  t.equal(closed.stderr, '')
  const path = join(t.testdir({ 'bad.yaml': profile('  engine: {name: docker}\n') }), 'bad.yaml')
  const early = '"$0" "$1" check "$2" 2>/dev/null | true; echo "$PIPESTATUS"'
  const left = spawnSync('bash', ['-c', early, process.execPath, main, path], { encoding: 'utf8' })
  t.equal(left.stdout, '1\n', 'a reader that leaves does not make a wrong file a good one')
  const full = spawnSync('bash', ['-c', '"$0" "$1" check "$2" >/dev/full', process.execPath, main, path])
  t.equal(full.status, 3)
  t.match(String(full.stderr), /drydock: the answer could not be written to standard output: ENOSPC/)
})

t.test('an answer that cannot be saved names the file', async (t) => {
  const items = [{ metadata: { name: 'r' }, spec: { profile: 'p', revision: 'a' }, status: {} }]
  const list = { kind: 'MigrationReportList', metadata: {}, items }
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(list))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    users: [{ name: 'u', user: {} }],
    'current-context': 'x',
  }
  const path = join(t.testdir({ config: JSON.stringify(kubeconfig) }), 'config')
  const said = { stdout: '', stderr: '' }
  const ask = (...argv: string[]) =>
    run(['--kubeconfig', path, 'report', ...argv], {
      input: Readable.from([]),
      print: async (text) => {
        said.stdout += text
      },
      complain: async (text) => {
        said.stderr += text
      },
      paint: plain,
      width: 80,
    })
  t.equal(await ask('--output-file', '/nowhere/r.md'), 2)
  t.match(said.stderr, /^drydock: cannot write \/nowhere\/r\.md \(ENOENT\): name a file in a folder that exists/)
  t.equal(await ask('--list', '-o', 'json'), 0)
  t.match(JSON.parse(said.stdout), [{ metadata: { name: 'r' } }])
})

t.test('the shipped program says which Node it needs', async (t) => {
  const told = (version: string) => {
    const seen: unknown[] = []
    const process = {
      versions: { node: version },
      stderr: { write: (text: string) => seen.push(text) },
      exit: (code: number) => seen.push(code),
    }
    runInNewContext(nodeGuard, { process })
    return seen
  }
  t.same(told('24.0.0'), [])
  t.same(told('20.20.2'), [
    'drydock needs Node 24 or newer, and this is 20.20.2: install it, or put it first in PATH\n',
    3,
  ])
})
