/** The import law of docs/architecture.md. `npm run lint` holds it. */
const ours = '^(crds|kube|operator|node-agent|charts|cli|images|hack|test)/'
const only = (from, allowed) => ({
  name: `${from}-imports-only-${allowed.join('-') || 'itself'}`,
  severity: 'error',
  comment: `${from} may import of ours only: ${[from, ...allowed].join(', ')}`,
  from: { path: `^${from}/` },
  to: { path: ours, pathNot: `^(${[from, ...allowed].join('|')})/` },
})

/** Folders of pure decisions: the same input gives the same answer, so they can be simulated and model-checked. */
const pure = [
  'operator/rollout/',
  'operator/reports/',
  'node-agent/plan/',
  'node-agent/engines/[^/]+/config\\.ts$',
  'node-agent/engine/machine\\.ts$',
]

module.exports = {
  forbidden: [
    only('crds', []),
    only('kube', []),
    only('operator', ['crds', 'kube']),
    only('node-agent', ['crds', 'kube']),
    only('charts', ['crds']),
    only('cli', ['crds', 'kube', 'operator', 'node-agent']),
    {
      name: 'decisions-do-no-io',
      severity: 'error',
      comment: 'A folder of pure decisions imports no IO: no client, no file system, no process, no network, no gRPC',
      from: { path: `^(${pure.join('|')})` },
      to: {
        path: '^(kube/(client|transport|in-cluster|kubeconfig|reflector|serve|lease|events)|node-agent/(cri/|host/system)|node:(fs|child_process|net|http|https|os)|fs|fs/promises|child_process|net|http|https|os$|node_modules/(@grpc|@kubernetes|pino))',
        dependencyTypesNot: ['type-only'],
      },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    { name: 'no-missing', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'client-node-in-one-place',
      severity: 'error',
      comment:
        'Importing client-node costs 90 MB of memory; kube/kubeconfig.ts alone may, and nothing that runs in a cluster imports that',
      from: { pathNot: '^kube/kubeconfig\\.ts$|^test/' },
      to: { path: 'node_modules/@kubernetes/client-node', dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|\\.gen\\.ts$|/gen/)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
