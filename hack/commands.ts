/** Every command of the repository with what it does: `npm run help` prints it, a test holds it equal to package.json. */

export const commands = {
  demo: 'the main job on this machine: a real cluster, a real change of two nodes, the report (-- migration: Docker and containerd 1.x to 2.x; --keep leaves the cluster up)',
  test: 'every check and every suite; ends with "N passed, N failed, N skipped"',
  'test:fast': 'the checks, unit and property suites: no cluster, under a minute',
  'test:sim': 'the whole of Drydock simulated from seeds, with faults (--seeds N, --seed S, --mutants)',
  'test:crash':
    'engine exchanges on real nodes, cut off at every journal record by the loss of each part (-- --help tells more)',
  help: 'this list',
  cluster:
    'a real kubeadm cluster on this machine: up, status, kubectl, exec, kill, start, logs, down (-- --help tells more)',
  images: 'build the OCI images of operator and agent into dist/images, and the command line dist/drydock.cjs',
  generate: 'write every generated file anew: CRDs, types, CRI client, charts, API reference',
  bench: 'speed and memory as paired ratios, on a real cluster',
  types: 'check the types',
  lint: 'format and lint rules, and the import law',
  format: 'format every file and apply the safe fixes of the linter',
} as const
