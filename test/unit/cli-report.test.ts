import fc from 'fast-check'
import t from 'tap'
import { humanBytes } from '../../cli/render/bytes.ts'
import { humanMilliseconds } from '../../cli/render/duration.ts'
import { ticks } from '../../cli/render/html/chart.ts'
import { escapeText } from '../../cli/render/html/markup.ts'
import { reportHtml } from '../../cli/render/html/report.ts'
import { laneSpans } from '../../cli/render/html/spans.ts'
import { cell, prose } from '../../cli/render/markdown.ts'
import { reportMarkdown } from '../../cli/render/report-markdown.ts'
import { table } from '../../cli/render/table.ts'
import type { MigrationReport } from '../../crds/types.gen.ts'

t.test('durations read as people write them', async (t) => {
  const cases = [
    [undefined, ''],
    [850, '850 ms'],
    [2700, '2.7 s'],
    [250_000, '4m10s'],
    [999.7, '1.0 s'],
    [59_960, '1m00s'],
    [3_725_000, '1h02m'],
  ] as const
  for (const [given, wanted] of cases) t.equal(humanMilliseconds(given), wanted)
})

t.test('sizes read as people write them', async (t) => {
  const cases = [
    [undefined, ''],
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [9_960, '10 kB'],
    [999_600, '1.0 MB'],
    [412_000_000, '412 MB'],
    [128_000_000_000, '128 GB'],
    [3e15, '3000 TB'],
  ] as const
  for (const [given, wanted] of cases) t.equal(humanBytes(given), wanted)
})

t.test('a table is as wide as its widest cell and has no trailing blanks', async (t) => {
  t.equal(table(['A', 'LONG'], [['worker-1', 'x']]), 'A         LONG\nworker-1  x')
})

t.test('a report names each node with before, after, figures, proof and diff', async (t) => {
  const text = reportMarkdown({
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'MigrationReport',
    metadata: { name: 'workers-1' },
    spec: { profile: 'workers', revision: 'abc' },
    status: {
      phase: 'Failed',
      startTime: '2026-01-01T00:00:00Z',
      changed: 0,
      failed: 1,
      nodes: [
        {
          name: 'worker-1',
          result: 'RolledBack',
          action: 'DrainRestart',
          message: 'handler crun: StartContainer: exec format error',
          before: {
            engine: 'containerd',
            engineVersion: '1.6.20',
            cgroupDriver: 'cgroupfs',
            kubeletCgroupDriver: 'cgroupfs',
            handlers: 'runc*',
          },
          kubeletDownMilliseconds: 3100,
          changes: [{ path: '/etc/containerd/config.toml', diff: '-SystemdCgroup = false\n+SystemdCgroup = true\n' }],
          verification: {
            passed: false,
            time: '2026-01-01T00:00:00Z',
            durationMilliseconds: 900,
            handlers: [
              {
                name: 'runc',
                passed: true,
                durationMilliseconds: 700,
                calls: [{ name: 'RunPodSandbox', milliseconds: 120 }],
              },
            ],
          },
        },
      ],
    },
  })
  for (const part of [
    'worker-1: RolledBack (DrainRestart)',
    'exec format error',
    'containerd 1.6.20',
    'kubelet down 3.1 s',
    'RunPodSandbox 120',
    '+SystemdCgroup = true',
    'after: unknown',
  ])
    t.match(text, part)
})

const start = Date.parse('2026-11-21T09:00:00Z')
const at = (milliseconds: number) => new Date(start + milliseconds).toISOString()

const full: MigrationReport = {
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'MigrationReport',
  metadata: { name: 'workers-1' },
  spec: { profile: 'workers', revision: 'abc' },
  status: {
    phase: 'Failed',
    startTime: at(0),
    completionTime: at(60_000),
    message: '1 node failed.',
    failed: 1,
    nodes: [
      {
        name: 'worker-1',
        result: 'RolledBack',
        action: 'DrainRestart',
        startTime: at(1000),
        completionTime: at(31_000),
        prepareMilliseconds: 42_000,
        drainMilliseconds: 10_000,
        kubeletDownMilliseconds: 5000,
        podsEvicted: 3,
        podsRemoved: 2,
        images: { carried: 7, bytes: 412_000_000, message: 'big:1 is pulled by the kubelet: the disk is full' },
        reclaimableBytes: 1_500_000_000,
        residue: ['/var/lib/docker takes 1.5 GB: write migration.previousEngine: purge'],
        notes: ['--network-plugin=cni was removed: the kubelet refuses it'],
        failedStep: 'prove',
        message: 'crun failed',
        before: { engine: 'docker', cgroupDriver: 'cgroupfs', endpoint: 'unix:///run/cri-dockerd.sock' },
        after: { engine: 'containerd', cgroupDriver: 'systemd', ociRuntimes: 'runc 1.3.0' },
        steps: [
          { name: 'stop-kubelet', startTime: at(12_000), durationMilliseconds: 500 },
          { name: 'prove', startTime: at(12_500), durationMilliseconds: 1500 },
          { name: 'undo stop-kubelet', startTime: at(14_000), durationMilliseconds: 1000 },
        ],
        changes: [{ path: '/etc/x.toml', diff: '@@ -1 +1 @@\n-a = 1\n+a = 2\n' }],
        verification: {
          passed: false,
          message: 'crun failed',
          time: at(12_500),
          durationMilliseconds: 1500,
          handlers: [
            {
              name: 'runc',
              passed: true,
              durationMilliseconds: 700,
              memoryLimitBytes: 67_108_864,
              calls: [
                { name: 'RunPodSandbox', milliseconds: 120 },
                { name: 'ExecSync', milliseconds: 5 },
                { name: 'ExecSync', milliseconds: 6 },
              ],
            },
            { name: 'crun', passed: false, message: 'exec format error', durationMilliseconds: 9 },
          ],
        },
      },
    ],
  },
}

t.test('both forms tell what a change of the engine did, where it failed and how it was undone', async (t) => {
  const markdown = reportMarkdown(full)
  for (const part of [
    'Step prove failed. crun failed',
    'before: docker, driver cgroupfs (kubelet ?), handlers ?, at unix:///run/cri-dockerd.sock',
    'handlers ? (runc 1.3.0)',
    '- prepare 42.0 s · turn 30.0 s',
    'pods moved 3 · pods restarted in place 2 · images carried 7 (412 MB) · disk to reclaim 1.5 GB',
    'steps: stop-kubelet 500 ms → prove 1.5 s\n- rollback: undo stop-kubelet 1.0 s\n',
    '- Worth knowing:\n  - big:1 is pulled by the kubelet: the disk is full\n  - --network-plugin=cni was removed: the kubelet refuses it\n- Left behind:\n  - /var/lib/docker takes 1.5 GB',
  ])
    t.ok(markdown.includes(part), part)
  const page = reportHtml(full)
  for (const part of [
    'Step prove failed. crun failed',
    '<td>docker</td><td class="changed">containerd</td>',
    '<td>unix:///run/cri-dockerd.sock</td>',
    '<b>7 (412 MB)</b><span>images carried</span>',
    '<b>1.5 GB</b><span>disk to reclaim</span>',
    '<b>42.0 s</b><span>prepare</span>',
    '<h3>Worth knowing</h3><ul><li>big:1 is pulled',
    '<h3>Left behind</h3><ul><li>/var/lib/docker',
  ])
    t.ok(page.includes(part), part)
})

t.test(
  'the page shows states, steps, proof with each call, diff and a timeline, and nothing from elsewhere',
  async (t) => {
    const page = reportHtml(full)
    for (const part of [
      '<td>cgroupfs</td><td class="changed">systemd</td>',
      '<th>RunPodSandbox</th><td class="number">120 ms</td><td class="number"></td>',
      '<th>ExecSync</th><td class="number">11 ms</td>',
      '64 MiB',
      '<span class="bad">exec format error</span>',
      '<span class="removed">-a = 1</span><span class="added">+a = 2</span>',
      'class="rollback"',
      'class="drain"',
      'class="down"',
      'kubelet down: 5.0 s',
    ])
      t.ok(page.includes(part), part)
    t.notMatch(page, /<script|<link|<img|url\(|@import|src=|href=|http:|https:/)
  },
)

t.test('a report that only began, and one without times, make a page too', async (t) => {
  const { status: _, ...begun } = full
  t.match(reportHtml(begun), 'Running')
  const [node] = full.status?.nodes ?? []
  const { name, result } = node ?? { name: '', result: 'Failed' as const }
  const bare = reportHtml({
    ...full,
    status: { nodes: [{ name, result, steps: [{ name: 'x', startTime: 'never', durationMilliseconds: 1 }] }] },
  })
  t.match(bare, 'worker-1')
  t.notMatch(bare, /NaN|Infinity|undefined|<svg/)
})

/** Every string of an object replaced by another, times apart. */
const withStrings = (value: unknown, text: string): unknown => {
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\dT/.test(value) ? value : text
  if (Array.isArray(value)) return value.map((part) => withStrings(part, text))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withStrings(part, text)]))
}

/** What a browser would see: tags with the names of their attributes, in order. */
const tags = (page: string): string[] =>
  (page.match(/<[a-z!/][^>]*>/gi) ?? []).map((tag) => tag.replace(/"[^"]*"/g, '""'))

t.test('whatever the strings of a report are, they add no tag and leave no attribute', async (t) => {
  const hostile = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '</style><svg onload=alert(1)>',
    '</title><iframe srcdoc="x">',
    '&lt;b&gt; &amp;',
    ']]><!--',
    'a\u0000b\u001b[31m\u202e',
  ]
  for (const text of hostile) {
    const page = reportHtml(withStrings(full, text) as MigrationReport)
    const harmless = reportHtml(withStrings(full, 'x') as MigrationReport)
    t.strictSame(tags(page), tags(harmless), text)
    t.notOk(page.includes(text), 'it is nowhere as it is')
  }
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
      const escaped = escapeText(text)
      return !/[<>"']/.test(escaped) && !/&(?!(amp|lt|gt|quot|#39);)/.test(escaped)
    }),
  )
})

t.test('bars of a lane: what overlaps in time is painted in the order of meaning', async (t) => {
  const [node] = full.status?.nodes ?? []
  const spans = node ? laneSpans(node) : []
  t.strictSame(
    spans.map(({ kind, from, to }) => [kind, from - start, to - start]),
    [
      ['turn', 1000, 31_000],
      ['drain', 1000, 11_000],
      ['change', 12_000, 14_000],
      ['rollback', 14_000, 15_000],
      ['proof', 12_500, 14_000],
      ['down', 12_000, 17_000],
    ],
  )
  const steps = [
    { name: 'stop-kubelet', startTime: at(12_000), durationMilliseconds: 500 },
    { name: 'start-kubelet', startTime: at(12_500), durationMilliseconds: 500 },
    { name: 'undo start-kubelet', startTime: at(20_000), durationMilliseconds: 100 },
    { name: 'undo stop-kubelet', startTime: at(20_100), durationMilliseconds: 900 },
  ]
  const twice = laneSpans({ ...node!, steps, kubeletDownMilliseconds: 2000 }).filter(({ kind }) => kind === 'down')
  t.strictSame(
    twice.map(({ from, to }) => [from - start, to - start]),
    [
      [12_000, 13_000],
      [20_000, 21_000],
    ],
    'a kubelet that was up between the proof and its undoing',
  )
})

t.test('ticks are round and few at every scale', async (t) => {
  const cases: readonly [milliseconds: number, step: number][] = [
    [7, 1],
    [900, 200],
    [3900, 500],
    [95_000, 15_000],
    [3_600_000, 600_000],
    [30 * 86_400_000, 7 * 86_400_000],
  ]
  for (const [duration, step] of cases) t.equal(ticks(duration)[1], step, `${duration} ms`)
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 42 }), (duration) => ticks(duration).length <= 9))
})

t.test('a diff cannot close the fence that Markdown puts around it', async (t) => {
  const report = structuredClone(full)
  const [node] = report.status?.nodes ?? []
  if (node) node.changes = [{ path: '/x.md', diff: '@@ -1 +1 @@\n-a\n+````\n' }]
  t.match(reportMarkdown(report), '`````diff\n@@ -1 +1 @@\n-a\n+````\n`````')
})

t.test('what the cluster wrote opens no heading, item, tag or emphasis in Markdown, and stays readable', async (t) => {
  const cases: readonly [given: string, shown: string][] = [
    ['Step prove failed: exit 1', 'Step prove failed: exit 1'],
    ['one\n## n2: Changed\r\n- all is well', 'one ## n2: Changed - all is well'],
    ['flag -config <path>, image <none>, 1 < 2', 'flag -config \\<path>, image \\<none>, 1 < 2'],
    ['*x* `y` [z](http://x) ~a~ \\', '\\*x\\* \\`y\\` \\[z](http://x) \\~a\\~ \\\\'],
    ['kata_x and _x_', 'kata_x and \\_x\\_'],
    ['&lt; & so', '\\&lt; & so'],
    ['# x', '\\# x'],
    ['- x', '\\- x'],
    ['---', '\\---'],
    ['--flag is gone', '--flag is gone'],
    ['> x', '\\> x'],
    ['1. x', '1\\. x'],
    ['1.5 GB', '1.5 GB'],
  ]
  for (const [given, shown] of cases) t.equal(prose(given), shown, given)
  t.equal(cell('a | b'), 'a \\| b')
  const report = structuredClone(full)
  const [node] = report.status?.nodes ?? []
  if (node) {
    node.message = 'a\n## n9: Changed\n<img src=x>'
    node.notes = ['b\n\n# Heading']
  }
  const lines = reportMarkdown(report).split('\n')
  t.notOk(lines.some((line) => /^#+ (n9|Heading)|<img/.test(line.replaceAll('\\<', ''))))
})
