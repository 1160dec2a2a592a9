import t from 'tap'
import { readService } from '../../node-agent/detect/unit-file.ts'
import { type FileEdit, isRefusal, type Pasts, type Refusal } from '../../node-agent/engines/engine.ts'
import { detectKubelet } from '../../node-agent/kubelet/detect.ts'
import type { KubeletFound } from '../../node-agent/kubelet/kubelet.ts'
import { type KubeletTarget, removedFlags, renderKubelet } from '../../node-agent/kubelet/render.ts'
import { hostOf } from './detect-host.ts'

const unit = '/lib/systemd/system/kubelet.service'
const dropIn = '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf'
const config = '/var/lib/kubelet/config.yaml'
const flags = '/var/lib/kubelet/kubeadm-flags.env'

const kubeadm: Record<string, string> = {
  [unit]: '[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n',
  [dropIn]: `# dropin
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \\
  $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`,
  [flags]: 'KUBELET_KUBEADM_ARGS=""\n',
  [config]:
    'apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: cgroupfs # with the engine\ncontainerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock\nkind: KubeletConfiguration\n',
}

async function kubelet(files: Record<string, string> = {}, version = '1.36.3'): Promise<KubeletFound> {
  const host = hostOf({
    files: { ...kubeadm, ...files },
    programs: { '/usr/bin/kubelet --version': `Kubernetes v${version}\n` },
    units: { 'kubelet.service': { execStart: '/usr/bin/kubelet', files: [unit, dropIn] } },
  })
  return (await detectKubelet(host))!
}

function edits(
  found: KubeletFound,
  asked: 'systemd' | 'cgroupfs' | undefined | Partial<KubeletTarget>,
  pasts: Pasts = new Map(),
): readonly FileEdit[] {
  const wanted = typeof asked === 'object' ? asked : { driver: asked }
  const result = renderKubelet(found, { driver: undefined, endpoint: undefined, ...wanted }, pasts)
  if (isRefusal(result)) throw new Error(result.message)
  return result
}

const texts = (all: readonly FileEdit[]) => Object.fromEntries(all.map(({ path, after }) => [path, after?.toString()]))

t.test('words of a unit, with their places', async (t) => {
  const files = {
    '/a': `[Service]\nEnvironment=A=1 "B=two words" 'C=x'\nExecStart=-/bin/x --a "b c" $A \${B} $C $NONE\n[Install]\nExecStart=/no\n`,
    '/b': '[Service]\nEnvironmentFile=-/env\n',
    '/env': '# no\nexport C="--flag one  --other=\'2 3\'"\n',
  }
  const service = await readService(hostOf({ files }), ['/a', '/b'])
  t.same(
    service.command.map(({ text }) => text),
    ['/bin/x', '--a', 'b c', '1', 'two words', '--flag', 'one', '--other=2 3'],
  )
  t.match(service.command.at(-1), { path: '/env', line: 2, source: 'EnvironmentFile' })
  t.match(service.command[1], { path: '/a', line: 3, source: 'ExecStart' })
})

t.test('a kubelet as kubeadm sets it up', async (t) => {
  t.match(await kubelet(), {
    version: '1.36.3',
    configuredDriver: 'cgroupfs',
    endpoint: 'unix:///var/run/containerd/containerd.sock',
    healthz: { address: '127.0.0.1', port: 10248 },
    configFile: { path: config },
    environmentFiles: [{ path: flags }, { path: '/etc/default/kubelet', bytes: undefined }],
    refusal: undefined,
  })
  t.equal(await detectKubelet(hostOf({ files: {} })), undefined)
})

t.test('flags win over files', async (t) => {
  const found = await kubelet({
    [flags]: 'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=/run/crio/crio.sock --cgroup-driver=systemd"\n',
    '/etc/default/kubelet': 'KUBELET_EXTRA_ARGS=--healthz-port=0 --healthz-bind-address ::1\n',
  })
  t.match(found, {
    configuredDriver: 'systemd',
    endpoint: 'unix:///run/crio/crio.sock',
    healthz: { address: '::1', port: 0 },
  })
})

t.test('defaults', async (t) => {
  const found = await kubelet({ [config]: 'kind: KubeletConfiguration\n' })
  t.match(found, { configuredDriver: 'cgroupfs', endpoint: 'unix:///run/containerd/containerd.sock' })
})

t.test('the driver in the config file: one value, nothing else', async (t) => {
  const cases: Record<string, [string, string]> = {
    'a value and its comment': [kubeadm[config]!, kubeadm[config]!.replace('cgroupfs', 'systemd')],
    quoted: [
      'a: 1\n"cgroupDriver":   "cgroupfs"\r\nb: [1,\n 2]\n',
      'a: 1\n"cgroupDriver":   "systemd"\r\nb: [1,\n 2]\n',
    ],
    absent: ['kind: KubeletConfiguration\n', 'kind: KubeletConfiguration\ncgroupDriver: systemd\n'],
    'absent, no last line end': ['kind: KubeletConfiguration', 'kind: KubeletConfiguration\ncgroupDriver: systemd'],
    'without a value': ['cgroupDriver:\nkind: x\n', 'cgroupDriver: systemd\nkind: x\n'],
    empty: ['cgroupDriver: ""\nkind: x\n', 'cgroupDriver: "systemd"\nkind: x\n'],
    'an empty file': ['', 'cgroupDriver: systemd\n'],
    JSON: ['{"kind": "x", "cgroupDriver": "cgroupfs"}\n', '{"kind": "x", "cgroupDriver": "systemd"}\n'],
    'JSON without it': ['{"kind": "x"}', '{"cgroupDriver": "systemd", "kind": "x"}'],
  }
  for (const [name, [before, after]] of Object.entries(cases)) {
    t.same(texts(edits(await kubelet({ [config]: before }), 'systemd')), { [config]: after }, name)
  }
  t.same(edits(await kubelet(), 'cgroupfs'), [])
  t.same(edits(await kubelet({ [config]: 'kind: x\n' }), 'cgroupfs'), [], 'absent means cgroupfs')
  t.same(edits(await kubelet(), undefined), [])
})

t.test('a flag in an environment file changes together with the config file', async (t) => {
  const line =
    '# --cgroup-driver=cgroupfs was here\nKUBELET_EXTRA_ARGS="--v=2 --cgroup-driver=cgroupfs --node-ip=10.0.0.1"\n'
  const found = await kubelet({ '/etc/default/kubelet': line })
  t.same(texts(edits(found, 'systemd')), {
    '/etc/default/kubelet': line.replace('"--v=2 --cgroup-driver=cgroupfs', '"--v=2 --cgroup-driver=systemd'),
    [config]: kubeadm[config]!.replace('cgroupfs', 'systemd'),
  })
})

t.test('wherever the driver is written', async (t) => {
  const twice =
    'A="--cgroup-driver=cgroupfs"\nKUBELET_EXTRA_ARGS="--cgroup-driver cgroupfs \\\n  --cgroup-driver=cgroupfs"\n'
  t.same(
    texts(edits(await kubelet({ '/etc/default/kubelet': twice }), 'systemd')),
    {
      '/etc/default/kubelet': twice
        .replace('-driver cgroupfs', '-driver systemd')
        .replace('  --cgroup-driver=cgroupfs', '  --cgroup-driver=systemd'),
      [config]: kubeadm[config]!.replace('cgroupfs', 'systemd'),
    },
    'variables that nobody passes on stay',
  )
  const withDir = kubeadm[dropIn]!.replace('--config=/var', '--config-dir=/etc/kubelet.d --config=/var')
  const found = await kubelet({ [dropIn]: withDir, '/etc/kubelet.d/10.conf': 'cgroupDriver: cgroupfs\n' })
  t.equal(texts(edits(found, 'systemd'))['/etc/kubelet.d/10.conf'], 'cgroupDriver: systemd\n')

  const deep = await kubelet({
    [dropIn]: withDir,
    '/etc/kubelet.d/10.conf': 'cgroupDriver: systemd\n',
    '/etc/kubelet.d/20.conf/b.conf': 'cgroupDriver: cgroupfs\n',
    '/etc/kubelet.d/20.conf/a/z.conf': 'cgroupDriver: systemd\n',
    '/etc/kubelet.d/20.conf/a/README': 'x',
    '/etc/kubelet.d/30.conf': 'logging: {}\n',
  })
  t.strictSame(
    deep.dropIns.map(({ path }) => path.slice('/etc/kubelet.d/'.length)),
    ['10.conf', '20.conf/a/z.conf', '20.conf/b.conf', '30.conf'],
    'the kubelet reads folders in the folder, too',
  )
  t.equal(deep.configuredDriver, 'cgroupfs')
  t.equal(texts(edits(deep, 'systemd'))['/etc/kubelet.d/20.conf/b.conf'], 'cgroupDriver: systemd\n')
})

t.test('files whose document ends before them, and such as are indented', async (t) => {
  const set = async (text: string) => texts(edits(await kubelet({ [config]: text }), 'systemd'))[config]
  t.equal(await set('kind: K\n# c\n...\n'), 'kind: K\n# c\ncgroupDriver: systemd\n...\n')
  t.equal(await set('---\r\nkind: K\r\n---\r\n'), '---\r\nkind: K\r\ncgroupDriver: systemd\r\n---\r\n')
  t.equal(await set('kind: K\na: "---"\n---'), 'kind: K\na: "---"\ncgroupDriver: systemd\n---')
  t.equal(await set('# c\n  kind: K\n  a: 1\n'), '# c\n  kind: K\n  a: 1\n  cgroupDriver: systemd\n')
  t.equal(await set('  kind: K\n  a: 1'), '  kind: K\n  a: 1\n  cgroupDriver: systemd')
  t.equal(await set('---\n'), '---\ncgroupDriver: systemd\n')
  t.equal(await set('{"kind": "K"}\n---\n'), '{"cgroupDriver": "systemd", "kind": "K"}\n---\n')
  t.equal(await set('cgroupDriver: cgroupfs\n...\n'), 'cgroupDriver: systemd\n...\n')
})

t.test('refused, with the place and what to do', async (t) => {
  const refused = async (files: Record<string, string>): Promise<Refusal> => {
    const result = renderKubelet(await kubelet(files), { driver: 'systemd', endpoint: undefined }, new Map())
    if (!isRefusal(result)) throw new Error(`not refused: ${JSON.stringify(texts(result))}`)
    return result
  }
  const inUnit = kubeadm[dropIn]!.replace(
    'ExecStart=/usr/bin/kubelet ',
    'ExecStart=/usr/bin/kubelet --cgroup-driver=cgroupfs ',
  )
  t.match(await refused({ [dropIn]: inUnit }), {
    reason: 'KubeletFlag',
    message: /10-kubeadm\.conf:8 gives the kubelet --cgroup-driver=cgroupfs.*remove that flag/,
  })
  t.match(await refused({ [config]: 'a: 1\na: 2\n' }), {
    reason: 'ConfigInvalid',
    message: /config\.yaml:2 is not valid YAML/,
  })
  t.match(await refused({ [config]: 'a: 1\n---\nb: 2\n' }), {
    reason: 'ConfigInvalid',
    message: /config\.yaml:2 begins another YAML document.*: remove it/,
  })
  t.match(await refused({ [config]: 'kind: K\ncgroupDriver: >-\n  cgroupfs\na: 1\n' }), {
    reason: 'ConfigNotEditable',
    message: /config\.yaml:2 is laid out so .*: write "cgroupDriver: systemd" on a line of its own/,
  })
  t.match(await refused({ [config]: '- a\n' }), { message: /not a map/ })
  t.match(await refused({ [dropIn]: kubeadm[dropIn]!.replace('--config=/var/lib/kubelet/config.yaml', '') }), {
    reason: 'KubeletNotConfigurable',
    message: /no --config file/,
  })
})

t.test('what Drydock wrote goes again', async (t) => {
  const before = 'kind: x\n'
  const written = edits(await kubelet({ [config]: before }), 'systemd')[0]!.after!
  const pasts: Pasts = new Map([[config, { original: Buffer.from(before), written }]])
  t.same(texts(edits(await kubelet({ [config]: `${written}` }), undefined, pasts)), { [config]: before })
  const theirs = `${written}maxPods: 50\n`
  t.same(texts(edits(await kubelet({ [config]: theirs }), undefined, pasts)), { [config]: 'kind: x\nmaxPods: 50\n' })
  const [edit] = edits(await kubelet({ [config]: theirs.replace('systemd', 'cgroupfs') }), 'systemd', pasts)
  t.match(`${edit?.original}`, /cgroupDriver: cgroupfs/, 'what somebody else has set since is theirs')
  const flag = 'KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n'
  const flagged = (text: string) => kubelet({ '/etc/default/kubelet': text })
  const past: Pasts = new Map([
    [
      '/etc/default/kubelet',
      { original: Buffer.from(flag), written: Buffer.from(flag.replace('cgroupfs', 'systemd')) },
    ],
  ])
  t.same(texts(edits(await flagged(`${flag.replace('cgroupfs', 'systemd')}# theirs\n`), undefined, past)), {
    '/etc/default/kubelet': `${flag}# theirs\n`,
  })
})

const containerd = 'unix:///run/containerd/containerd.sock'
const crio = 'unix:///var/run/crio/crio.sock'

t.test('an endpoint in every place where kubeadm and people keep it', async (t) => {
  const instance = '/var/lib/kubelet/instance-config.yaml'
  const own = '/etc/systemd/system/kubelet.service.d/20-own.conf'
  const files = {
    [instance]: 'containerRuntimeEndpoint: "unix:///var/run/containerd/containerd.sock"\n',
    [config]: `${kubeadm[config]}imageServiceEndpoint: unix:///run/containerd/containerd.sock\n`,
  }
  t.same(edits(await kubelet(files), { endpoint: containerd }), [], 'the same socket by another name is no change')
  t.same(texts(edits(await kubelet(files), { endpoint: crio })), {
    [instance]: `containerRuntimeEndpoint: "${crio}"\n`,
    [config]: files[config]!.replaceAll(/unix:.*/g, crio),
  })
  const flagged = {
    ...files,
    [config]: 'containerRuntimeEndpoint: ""\n',
    [flags]: `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/containerd/containerd.sock --node-ip=10.0.0.1"\n`,
    '/etc/default/kubelet': `# --container-runtime-endpoint=x\nKUBELET_EXTRA_ARGS='--v=2 --container_runtime_endpoint "/run/containerd/containerd.sock"'\n`,
  }
  t.same(texts(edits(await kubelet(flagged), { endpoint: crio })), {
    [instance]: `containerRuntimeEndpoint: "${crio}"\n`,
    [flags]: `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=${crio} --node-ip=10.0.0.1"\n`,
    '/etc/default/kubelet': `# --container-runtime-endpoint=x\nKUBELET_EXTRA_ARGS='--v=2 --container_runtime_endpoint "${crio}"'\n`,
  })
  const found = hostOf({
    files: {
      ...kubeadm,
      [own]:
        '[Service]\n# mine\nEnvironment="OTHER=1" "KUBELET_EXTRA_ARGS=--v=2 --container-runtime-endpoint=/run/containerd/containerd.sock"\n',
    },
    programs: { '/usr/bin/kubelet --version': 'Kubernetes v1.36.3\n' },
    units: { 'kubelet.service': { execStart: '/usr/bin/kubelet', files: [unit, dropIn, own] } },
  })
  t.match(texts(edits((await detectKubelet(found))!, { endpoint: crio })), {
    [own]: `[Service]\n# mine\nEnvironment="OTHER=1" "KUBELET_EXTRA_ARGS=--v=2 --container-runtime-endpoint=${crio}"\n`,
  })
})

t.test('an endpoint that nothing says yet', async (t) => {
  const bare = { [config]: 'kind: KubeletConfiguration\n' }
  t.same(edits(await kubelet(bare), { endpoint: containerd }), [], 'it is the default')
  t.same(texts(edits(await kubelet(bare), { endpoint: crio })), {
    [config]: `${bare[config]}containerRuntimeEndpoint: ${crio}\n`,
  })
  t.same(
    texts(edits(await kubelet(bare, '1.26.9'), { endpoint: crio })),
    { [flags]: `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=${crio}"\n` },
    'before 1.27 the file has no such key',
  )
  const unjoined = { ...kubeadm }
  delete unjoined[config]
  const host = hostOf({
    files: unjoined,
    programs: { '/usr/bin/kubelet --version': 'Kubernetes v1.36.3\n' },
    units: { 'kubelet.service': { execStart: '/usr/bin/kubelet', files: [unit, dropIn] } },
  })
  t.same(edits((await detectKubelet(host))!, { driver: 'systemd', endpoint: crio }), [], 'before kubeadm join')
})

t.test('files of the dockershim era', async (t) => {
  const old =
    'KUBELET_KUBEADM_ARGS="--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.5 --container-runtime=remote --container-runtime-endpoint=unix:///run/cri-dockerd.sock --node-ip=10.0.0.1"\n'
  const extra = 'KUBELET_EXTRA_ARGS=--log-cadvisor-usage --cni-bin-dir /opt/cni/bin --storage-driver-db=x\n'
  const files = { [flags]: old, '/etc/default/kubelet': extra, [config]: 'cgroupDriver: systemd\n' }
  const left = `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=${containerd} --node-ip=10.0.0.1"\n`
  const found = await kubelet(files, '1.37.0')
  t.same(texts(edits(found, { endpoint: containerd })), {
    [flags]: left,
    '/etc/default/kubelet': 'KUBELET_EXTRA_ARGS=\n',
  })
  t.match(removedFlags(found, containerd), [
    /^--network-plugin=cni goes from .*kubeadm-flags\.env:1: only the Docker support/,
    /^--cni-bin-dir=\/opt\/cni\/bin goes from \/etc\/default\/kubelet:1/,
    /^--container-runtime=remote .* kubelets from 1\.27 on do not start with it\.$/,
    /^--pod-infra-container-image=/,
    /^--storage-driver-db=x/,
    /^--log-cadvisor-usage=true/,
  ])
  t.same(
    texts(edits(await kubelet(files, '1.26.0'), { endpoint: containerd })),
    {
      [flags]: `KUBELET_KUBEADM_ARGS="--pod-infra-container-image=k8s.gcr.io/pause:3.5 --container-runtime=remote --container-runtime-endpoint=${containerd} --node-ip=10.0.0.1"\n`,
      '/etc/default/kubelet': 'KUBELET_EXTRA_ARGS=--log-cadvisor-usage --storage-driver-db=x\n',
    },
    'what this kubelet still knows stays',
  )
  const shim = {
    [flags]: 'KUBELET_KUBEADM_ARGS="--network-plugin=cni --cgroup-driver=systemd"\n',
    [config]: 'kind: x\n',
  }
  const dockershim = await kubelet(shim, '1.23.17')
  t.equal(dockershim.endpoint, 'unix:///var/run/dockershim.sock')
  t.same(edits(dockershim, {}), [], 'nothing asked, nothing changed')
  t.same(texts(edits(dockershim, { endpoint: containerd })), {
    [flags]: `KUBELET_KUBEADM_ARGS="--cgroup-driver=systemd --container-runtime=remote --container-runtime-endpoint=${containerd}"\n`,
  })
})

t.test('places that Drydock does not edit', async (t) => {
  const refused = async (files: Record<string, string>, version?: string): Promise<Refusal> => {
    const result = renderKubelet(await kubelet(files, version), { driver: undefined, endpoint: crio }, new Map())
    if (!isRefusal(result)) throw new Error(`not refused: ${JSON.stringify(texts(result))}`)
    return result
  }
  const started = (word: string) => ({
    [dropIn]: kubeadm[dropIn]!.replace('ExecStart=/usr/bin/kubelet ', `ExecStart=/usr/bin/kubelet ${word} `),
  })
  t.match(await refused(started('--container-runtime-endpoint=/run/containerd/containerd.sock')), {
    reason: 'KubeletFlag',
    message:
      /10-kubeadm\.conf:8 gives the kubelet --container-runtime-endpoint=.*where unix:\/\/\/var\/run\/crio\/crio\.sock is needed/,
  })
  t.match(await refused(started('--network-plugin=cni')), {
    message: /--network-plugin=cni, which this node must not have/,
  })
  t.match(
    await refused({
      [dropIn]: kubeadm[dropIn]!.replace('KUBELET_CONFIG_ARGS=', 'KUBELET_CONFIG_ARGS=--network-plugin=cni '),
    }),
    {
      message: /10-kubeadm\.conf:4/,
    },
    'a file of a package',
  )
  t.match(await refused({ [config]: 'imageServiceEndpoint: unix:///run/stargz.sock\n' }), {
    reason: 'KubeletImageService',
  })
  t.match(await refused({ [config]: 'kind: x\n', [flags]: '# none\n' }, '1.26.0'), { reason: 'KubeletNotConfigurable' })
  const odd = 'KUBELET_EXTRA_ARGS="--container-runtime-endpoint=\\"/run/x.sock\\""\n'
  t.match(await refused({ '/etc/default/kubelet': odd }), { message: /kubelet:1 writes the kubelet's flag/ })
})
