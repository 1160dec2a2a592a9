import t from 'tap'
import { humanMilliseconds } from '../../cli/render/duration.ts'
import { reportMarkdown } from '../../cli/render/report-markdown.ts'
import { table } from '../../cli/render/table.ts'

t.test('durations read as people write them', async (t) => {
  const cases = [
    [undefined, ''],
    [850, '850 ms'],
    [2700, '2.7 s'],
    [250_000, '4m10s'],
  ] as const
  for (const [given, wanted] of cases) t.equal(humanMilliseconds(given), wanted)
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
