import t from 'tap'
import { checkPlan } from '../../node-agent/detect/check.ts'
import { observe } from '../../node-agent/detect/observe.ts'
import { isRefusal } from '../../node-agent/engines/engine.ts'
import { NoSpaceError, ReadOnlyError } from '../../node-agent/host/errors.ts'
import { planNode } from '../../node-agent/plan/plan.ts'
import { containerdConfig } from '../cluster/containerd-config.ts'
import { type HostOf, hostOf } from './detect-host.ts'

const main = '/etc/containerd/config.toml'
const text = containerdConfig(2, { cgroupDriver: 'cgroupfs', sandboxImage: 'registry.k8s.io/pause:3.9' })

const debian: HostOf = {
  files: {
    '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    '/proc/sys/kernel/osrelease': '6.1.0\n',
    '/proc/sys/kernel/random/boot_id': 'b-1\n',
    '/proc/self/mounts': 'tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n',
    '/etc/machine-id': 'm-1\n',
    '/usr/lib/systemd/system/kubelet.service':
      '[Service]\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\n',
    '/var/lib/kubelet/config.yaml':
      'cgroupDriver: cgroupfs\ncontainerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock\n',
    '/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
    [main]: text,
  },
  programs: {
    '/usr/bin/kubelet --version': 'Kubernetes v1.36.3',
    '/usr/bin/containerd --version': 'containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3',
    [`/usr/bin/containerd --config ${main} config dump`]: text,
    '/usr/sbin/runc --version': 'runc version 1.1.5+ds1\ncommit: x',
    '/usr/bin/crun --version': 'crun version 1.8.1\ncommit: x',
  },
  units: {
    'kubelet.service': { execStart: '/usr/bin/kubelet', files: ['/usr/lib/systemd/system/kubelet.service'] },
    'containerd.service': { execStart: '/usr/bin/containerd', files: ['/lib/systemd/system/containerd.service'] },
  },
}

function with_(change: {
  files?: Record<string, string>
  programs?: HostOf['programs']
  units?: HostOf['units']
}): HostOf {
  return {
    ...debian,
    files: { ...debian.files, ...change.files },
    programs: { ...debian.programs, ...change.programs },
    units: { ...debian.units, ...change.units },
  }
}

t.test('a node of kubeadm on Debian 12', async (t) => {
  const observation = await observe(hostOf(debian))
  t.same(observation.observed, {
    os: { id: 'debian', version: '12', kernel: '6.1.0', supported: true },
    engine: {
      name: 'containerd',
      binary: '/usr/bin/containerd',
      configPath: main,
      version: '1.6.20~ds1',
      configVersion: 2,
      socket: 'unix:///var/run/containerd/containerd.sock',
    },
    cgroup: { version: 'v1', engineDriver: 'cgroupfs', kubeletDriver: 'cgroupfs' },
    handlers: [
      {
        name: 'runc',
        default: true,
        type: 'io.containerd.runc.v2',
        binary: '/usr/sbin/runc',
        version: '1.1.5+ds1',
        cgroupDriver: 'cgroupfs',
      },
    ],
    sandboxImage: 'registry.k8s.io/pause:3.9',
    kubeletVersion: '1.36.3',
  })
  t.match(observation, { machineID: 'm-1', bootID: 'b-1', refusal: undefined })
  t.match(observation.engine?.found.ociRuntimes, [
    { path: '/usr/sbin/runc', kind: 'runc' },
    { path: '/usr/bin/crun', kind: 'crun' },
  ])
})

t.test('the program and the file come from the unit, not from PATH', async (t) => {
  const other = '/opt/etc/c.toml'
  const host = hostOf(
    with_({
      files: {
        '/etc/u.service': `[Service]\nEnvironment=CONFIG=${other} PATH=/opt/bin:/usr/bin\nExecStart=/opt/bin/containerd --config \${CONFIG}\n`,
        [other]: `version = 3\nimports = ["conf.d/*.toml", "/etc/one.toml"]\n`,
        '/opt/etc/conf.d/b.toml': 'version = 3\n',
        '/opt/etc/conf.d/a.toml': `imports = ["${other}", "/etc/two.toml"]\n`,
        '/opt/etc/conf.d/a.toml.bak': '',
        '/etc/two.toml': '',
      },
      programs: {
        '/opt/bin/containerd --version': 'containerd github.com/containerd/containerd/v2 v2.3.7 ',
        [`/opt/bin/containerd --config ${other} config dump`]: `version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/run/containerd/containerd.sock'\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'crun'\nruntimes.crun = {runtime_type = 'io.containerd.runc.v2', options = {BinaryName = 'crun', SystemdCgroup = true}}\nruntimes.kata = {runtime_type = 'io.containerd.kata.v2'}\n`,
      },
      units: { 'containerd.service': { execStart: '/opt/bin/containerd', files: ['/etc/u.service'] } },
    }),
  )
  const { observed, engine } = await observe(host)
  t.match(
    observed,
    {
      engine: { version: '2.3.7', configPath: other, configVersion: 3 },
      cgroup: { engineDriver: 'systemd', kubeletDriver: 'systemd' },
      handlers: [
        { name: 'crun', default: true, binary: '/usr/bin/crun', version: '1.8.1' },
        { name: 'kata', type: 'io.containerd.kata.v2', default: false },
      ],
    },
    'and kubelet 1.31 takes the driver that containerd 2 reports',
  )
  t.same(
    engine?.found.configFiles.map(({ path }) => path),
    [other, '/opt/etc/conf.d/a.toml', '/etc/two.toml', '/opt/etc/conf.d/b.toml'],
  )
})

t.test('containerd without a file runs on its defaults', async (t) => {
  const { [main]: _, ...files } = debian.files
  const host = hostOf({
    ...debian,
    files,
    programs: { ...debian.programs, '/usr/bin/containerd config default': text.replace('pause:3.9', 'pause:3.6') },
  })
  const { observed, refusal } = await observe(host)
  t.match(observed, { sandboxImage: 'registry.k8s.io/pause:3.6', handlers: [{ name: 'runc', default: true }] })
  t.equal(refusal, undefined)
})

t.test('cgroup v2', async (t) => {
  const host = hostOf(with_({ files: { '/proc/self/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n' } }))
  t.match((await observe(host)).observed.cgroup, { version: 'v2' })
})

t.test('hosts that are left untouched, and where to make the change instead', async (t) => {
  const release = (id: string) => ({ files: { '/etc/os-release': `ID=${id}\n` } })
  const cases: [string, HostOf, string, RegExp][] = [
    ['Talos', with_(release('talos')), 'HostNotSupported', /machine config/],
    ['Bottlerocket', with_(release('bottlerocket')), 'HostNotSupported', /settings\.container-runtime/],
    ['COS', with_(release('cos')), 'HostNotSupported', /GKE node pool/],
    ['Flatcar', with_(release('flatcar')), 'HostNotSupported', /Ignition/],
    [
      'EKS',
      with_({ files: { '/etc/os-release': 'ID="amzn"\n', '/etc/eks/nodeadm': '' } }),
      'HostNotSupported',
      /NodeConfig/,
    ],
    [
      'EKS on Ubuntu',
      with_({ files: { '/etc/os-release': 'ID=ubuntu\n', '/etc/eks/bootstrap.sh': '' } }),
      'HostNotSupported',
      /^Amazon EKS made .* user data/,
    ],
    [
      'AKS on Ubuntu',
      with_({ files: { '/etc/os-release': 'ID=ubuntu\n', '/opt/azure/containers/provision.sh': '' } }),
      'HostNotSupported',
      /^AKS made .* a new node pool/,
    ],
    [
      'AKS on Azure Linux',
      with_({ files: { '/etc/os-release': 'ID=azurelinux\n', '/opt/azure/containers/aks-node-controller': '' } }),
      'HostNotSupported',
      /^AKS made /,
    ],
    [
      'GKE on Ubuntu',
      with_({ files: { '/etc/os-release': 'ID=ubuntu\n', '/home/kubernetes/kube-env': '' } }),
      'HostNotSupported',
      /^GKE made .* node pool/,
    ],
    [
      'broken config',
      with_({
        programs: {
          [`/usr/bin/containerd --config ${main} config dump`]: { code: 1, stdout: '', stderr: 'toml: bad' },
        },
      }),
      'ConfigInvalid',
      /toml: bad/,
    ],
    [
      'broken kubelet config',
      with_({ files: { '/var/lib/kubelet/config.yaml': 'a: b: c\n' } }),
      'ConfigInvalid',
      /config\.yaml:1/,
    ],
    ['no kubelet', { ...debian, units: {} }, 'KubeletUnknown', /kubelet\.service/],
  ]
  for (const [name, given, reason, message] of cases) {
    const { refusal, observed } = await observe(hostOf(given))
    t.match(refusal, { reason, message }, name)
    t.equal(observed.os?.supported, reason !== 'HostNotSupported', name)
  }
  const capz = with_({ files: { '/etc/os-release': 'ID=ubuntu\n', '/etc/kubernetes/azure.json': '{}' } })
  t.equal((await observe(hostOf(capz))).refusal, undefined, 'a kubeadm cluster on Azure is one as any other')
  for (const [unit, name] of [
    ['k3s-agent', 'k3s'],
    ['rke2-server', 'rke2'],
    ['k0sworker', 'k0s'],
    ['snap.microk8s.daemon-kubelite', 'microk8s'],
  ] as const) {
    const { '/usr/lib/systemd/system/kubelet.service': _, ...files } = debian.files
    const { refusal } = await observe(hostOf({ files: { ...files, [`/etc/systemd/system/${unit}.service`]: '' } }))
    t.match(refusal, { reason: 'HostNotSupported', message: new RegExp(`^${name} runs its own kubelet`) }, name)
  }
})

t.test('the engine is the one at the end of the kubelet’s endpoint', async (t) => {
  const at = (endpoint: string, change: Parameters<typeof with_>[0] = {}) =>
    observe(
      hostOf(
        with_({ ...change, files: { '/var/lib/kubelet/config.yaml': `containerRuntimeEndpoint: ${endpoint}\n` } }),
      ),
    )
  const crio = {
    units: { 'crio.service': { execStart: '/usr/bin/crio', files: [] } },
    programs: {
      '/usr/bin/crio --version': 'crio version 1.37.0\nx',
      '/usr/bin/crio --config  --config-dir  config --default': '',
      '/usr/bin/crio --config  --config-dir /etc/crio/crio.conf.d config': '',
    },
  }
  t.match(await at('unix:///var/run/crio/crio.sock', crio), {
    observed: { engine: { name: 'cri-o', version: '1.37.0' } },
    engine: { engine: { name: 'cri-o' } },
    refusal: undefined,
  })
  const docker = {
    units: { 'docker.service': { execStart: '/usr/sbin/dockerd', files: [] } },
    programs: { '/usr/sbin/dockerd --version': 'Docker version 26.1.5+dfsg1, build a72d7cd' },
  }
  t.match(await at('unix:///run/cri-dockerd.sock', docker), {
    observed: { engine: { name: 'docker', version: '26.1.5+dfsg1' } },
    engine: { engine: { name: 'docker' } },
  })
  t.match(await at('unix:///var/run/crio/crio.sock'), {
    observed: { engine: { name: 'none' } },
    isVacant: true,
    refusal: { reason: 'EngineUnknown', message: /there is no unit crio\.service/ },
  })
  t.match(await at('unix:///run/other.sock'), {
    observed: { engine: { name: 'none' } },
    refusal: { reason: 'EngineUnknown', message: /\/run\/other\.sock/ },
  })
  t.match(await at('unix:///run/k3s/containerd/containerd.sock'), {
    refusal: { message: /containerd\.service listens at \/run\/containerd\/containerd\.sock/ },
  })
  const linked = hostOf({
    ...with_({ files: { '/var/lib/kubelet/config.yaml': 'containerRuntimeEndpoint: unix:///run/dockershim.sock\n' } }),
    links: { '/run/dockershim.sock': '/run/containerd/containerd.sock' },
  })
  t.match(
    await observe(linked),
    { observed: { engine: { name: 'containerd' } }, refusal: undefined },
    'an old name that leads to containerd',
  )
})

t.test('a plan is checked without touching anything live', async (t) => {
  const target = { engine: { name: 'containerd' as const }, cgroupDriver: 'systemd' as const }
  const staged = '/etc/containerd/.drydock-staged'
  const dumped = text.replace('SystemdCgroup = false', 'SystemdCgroup = true')
  const run = async (given: HostOf) => {
    const host = hostOf(given)
    const observation = await observe(hostOf(debian))
    const heritage = { engine: 'containerd', cgroupDriver: undefined, sandboxImage: undefined }
    const nothing = { pasts: new Map(), files: new Map(), networks: [], restoresPackages: false, strangers: [] }
    const to = observation.engine!
    const plan = planNode({ observation, to, target, heritage, ...nothing })
    if (isRefusal(plan)) throw new Error(plan.message)
    const refusal = await checkPlan(host, to, plan)
    t.same([...host.written.keys()], [], 'nothing stays')
    return refusal
  }
  const good = with_({ programs: { [`/usr/bin/containerd --config ${staged} config dump`]: dumped } })
  t.equal(await run(good), undefined)
  t.match(await run({ ...good, free: 1000 }), { reason: 'NoSpace', message: /no space left below/ })
  t.match(await run({ ...good, refuseWrite: new NoSpaceError('full') }), { reason: 'NoSpace' })
  t.match(await run({ ...good, refuseWrite: new ReadOnlyError('ro') }), { reason: 'ReadOnly', message: /read-only/ })
  await t.rejects(run({ ...good, refuseWrite: new Error('broken') }), /broken/)
  const kubelet = '/var/lib/kubelet/config.yaml'
  for (const path of [main, kubelet]) {
    const message = new RegExp(`^${path} is immutable .* run "chattr -i ${path}"`)
    t.match(await run({ ...good, locked: [path] }), { reason: 'FileLocked', message })
  }
  const links = { [main]: '/srv/my config' }
  const linked = { ...good, links, files: { ...good.files, '/srv/my config': '' } }
  t.match(await run({ ...linked, locked: ['/srv/my config'] }), {
    message: /config\.toml leads to \/srv\/my config, which is/,
  })
  const mounts = (at: string) => ({
    '/proc/self/mounts': `x /srv/my\\040config ext4 rw 0 0\ntmpfs ${at} tmpfs rw 0 0\n`,
  })
  t.match(await run({ ...good, files: { ...good.files, ...mounts(kubelet) } }), {
    reason: 'FileLocked',
    message: new RegExp(`^${kubelet} is a mount of its own.*"umount ${kubelet}"`),
  })
  t.match(await run({ ...linked, files: { ...linked.files, ...mounts('/x') } }), { message: /umount \/srv\/my config/ })
  const { [main]: ___, ...others } = good.files
  t.match(await run({ ...good, files: { ...others, [`${main}/x`]: '' } }), { message: /config\.toml is a folder/ })
  t.match(await run({ ...good, links: { [main]: undefined } }), {
    message: /config\.toml is a link that leads nowhere/,
  })
  t.match(await run(with_({ programs: { [`/usr/bin/containerd --config ${staged} config dump`]: text } })), {
    reason: 'ConfigNotEffective',
    message: /does not use the cgroup driver systemd/,
  })
  const { '/usr/sbin/runc --version': _, ...programs } = good.programs!
  t.match(await run({ ...good, programs }), {
    reason: 'RuntimeNotInstalled',
    message: /handler "runc": runc is in none of/,
  })
  const failing = { ...good.programs, '/usr/sbin/runc --version': { code: 127, stdout: '', stderr: 'no libc' } }
  t.match(await run({ ...good, programs: failing }), {
    reason: 'RuntimeBroken',
    message: /"\/usr\/sbin\/runc --version" does not run/,
  })
  const asking = '/usr/sbin/runc create --config /run/drydock-question.json drydock-question'
  const pair = (specification: string, answer: string): HostOf => ({
    ...good,
    programs: {
      ...good.programs,
      '/usr/sbin/runc --version': 'crun version 1.8.1\nspec: 1.0.0\n',
      '/usr/bin/ctr oci spec': specification,
      [asking]: { code: 1, stdout: '', stderr: answer },
    },
  })
  const spec = '{\n    "ociVersion": "1.3.0",\n'
  t.match(await run(pair(spec, 'unknown version specified\n')), {
    reason: 'RuntimeTooOld',
    message:
      /^handler "runc": \/usr\/sbin\/runc is crun 1\.8\.1, which does not take containers of containerd 1\.6\.20~ds1 \(version 1\.3\.0 of .*: write spec\.handlers\[\]\.archive/,
  })
  t.equal(await run(pair(spec, "invalid config file, no 'linux' block specified\n")), undefined)
  const { [asking]: __, ...silent } = pair(spec, '').programs!
  t.equal(await run({ ...good, programs: silent }), undefined, 'a program that cannot be asked is left to the proof')
  t.equal(await run(pair('', 'unknown version specified\n')), undefined, 'and so is an engine')
})

t.test('a kubelet from 1.31 on takes the driver that CRI-O reports', async (t) => {
  const given: HostOf = {
    ...debian,
    files: {
      ...debian.files,
      '/u/crio.service': '[Service]\nExecStart=/usr/bin/crio\n',
      '/var/lib/kubelet/config.yaml':
        'cgroupDriver: cgroupfs\ncontainerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n',
    },
    units: { ...debian.units, 'crio.service': { execStart: '/usr/bin/crio', files: ['/u/crio.service'] } },
  }
  const crio = {
    '/usr/bin/crio --version': 'crio version 1.36.3\n',
    '/usr/bin/crio --config  --config-dir  config --default': '[crio.runtime]\ncgroup_manager = "systemd"\n',
    '/usr/bin/crio --config  --config-dir /etc/crio/crio.conf.d config': '[crio]\n',
  }
  for (const [version, driver] of [
    ['v1.36.3', 'systemd'],
    ['v1.30.9', 'cgroupfs'],
  ] as const) {
    const programs = { ...given.programs, ...crio, '/usr/bin/kubelet --version': `Kubernetes ${version}` }
    const { observed } = await observe(hostOf({ ...given, programs }))
    t.match(observed, { engine: { name: 'cri-o' }, cgroup: { engineDriver: 'systemd', kubeletDriver: driver } })
  }
})
