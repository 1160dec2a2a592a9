import t from 'tap'
import { removePods, strangers } from '../../node-agent/engines/docker/containers.ts'
import { docker } from '../../node-agent/engines/docker/index.ts'
import { sourceByName } from '../../node-agent/engines/index.ts'
import type { Refused } from '../../node-agent/engines/refused.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { type HostOf, hostOf } from './detect-host.ts'

const info = {
  ServerVersion: '26.1.5+dfsg1',
  CgroupDriver: 'systemd',
  DefaultRuntime: 'runc',
  Runtimes: { 'io.containerd.runc.v2': { path: 'runc' }, crun: { path: '/usr/bin/crun' }, runc: { path: 'runc' } },
}
const ask = '/usr/bin/docker info --format {{json .}}'
const list = (all = '') =>
  `/usr/bin/docker ps --no-trunc ${all}--format {{.ID}}\t{{.Names}}\t{{.Label "io.kubernetes.pod.uid"}}`

const debian: HostOf = {
  files: {
    '/lib/systemd/system/docker.service': '[Service]\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n',
    '/lib/systemd/system/cri-docker.service':
      '[Service]\nExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --pod-infra-container-image=registry.k8s.io/pause:3.9\n',
    '/etc/docker/daemon.json': '{"exec-opts":["native.cgroupdriver=cgroupfs"]}',
  },
  programs: {
    [ask]: JSON.stringify(info),
    '/usr/sbin/dockerd --version': 'Docker version 26.1.4+dfsg1, build a72d7cd',
  },
  units: {
    'docker.service': { execStart: '/usr/sbin/dockerd', files: ['/lib/systemd/system/docker.service'] },
    'cri-docker.service': { execStart: '/usr/bin/cri-dockerd', files: ['/lib/systemd/system/cri-docker.service'] },
  },
}

/** As above, with its units in another state. */
function unitsAre(activeState: string, given: HostOf): Host {
  const host = hostOf(given)
  return { ...host, unit: async (name) => ({ ...(await host.unit(name)), activeState }) }
}

const running = (given: HostOf): Host => unitsAre('active', given)

t.test('Docker is a source', async (t) => {
  t.equal(sourceByName('docker'), docker)
  t.same(docker.units, ['docker.socket', 'docker.service', 'cri-docker.socket', 'cri-docker.service'])
})

t.test('a Docker that answers tells of itself', async (t) => {
  const found = await docker.detect(hostOf(debian))
  t.same(found?.observed, {
    engine: {
      name: 'docker',
      binary: '/usr/sbin/dockerd',
      configPath: '/etc/docker/daemon.json',
      version: '26.1.5+dfsg1',
    },
    handlers: [
      { name: 'crun', default: false, binary: '/usr/bin/crun', cgroupDriver: 'systemd' },
      { name: 'runc', default: true, binary: 'runc', cgroupDriver: 'systemd' },
    ],
    sandboxImage: 'registry.k8s.io/pause:3.9',
    engineDriver: 'systemd',
  })
})

t.test('what Docker has by itself counts only when it is the default', async (t) => {
  const adapted = { ...info, DefaultRuntime: 'adapted', Runtimes: { ...info.Runtimes, adapted: { path: '/opt/runc' } } }
  const found = await docker.detect(
    hostOf({ ...debian, programs: { ...debian.programs, [ask]: JSON.stringify(adapted) } }),
  )
  t.same(
    found?.observed.handlers?.map(({ name }) => name),
    ['crun', 'adapted'],
  )
})

t.test('one that does not answer is known by its program and its file', async (t) => {
  const { [ask]: _, ...programs } = debian.programs!
  const silent = {
    ...debian,
    programs: { ...programs, [ask]: { code: 1, stdout: '{"ServerErrors":["no"]}', stderr: '' } },
  }
  for (const given of [{ ...debian, programs }, silent]) {
    const found = await docker.detect(hostOf(given))
    t.match(found?.observed, { engine: { version: '26.1.4+dfsg1' }, engineDriver: 'cgroupfs' })
    t.equal(found?.observed.handlers, undefined)
  }
  const flagged = {
    ...debian,
    programs,
    files: {
      ...debian.files,
      '/etc/docker/daemon.json': '{',
      '/lib/systemd/system/docker.service':
        '[Service]\nExecStart=/usr/sbin/dockerd --exec-opt=native.cgroupdriver=systemd --config-file /etc/docker/daemon.json\n',
    },
  }
  t.equal((await docker.detect(hostOf(flagged)))?.observed.engineDriver, 'systemd')
  t.equal(await docker.detect(hostOf({ files: {} })), undefined, 'and none at all')
})

t.test('strangers are the containers that the kubelet did not make', async (t) => {
  const rows = [
    'a1\tk8s_POD_web_shop_3f-1_0\t3f-1',
    'a2\tk8s_app_web_shop_3f-1_0\t3f-1',
    'b1\tregistry\t',
    'b2\tk8s_lookalike\t',
    'b3\tk8s_app_web_shop_3f-1_0\t',
  ]
  const host = running({ ...debian, programs: { ...debian.programs, [list()]: `${rows.join('\n')}\n` } })
  t.same(await strangers(host), ['registry', 'k8s_lookalike', 'k8s_app_web_shop_3f-1_0'])
  t.same(await strangers(running({ ...debian, programs: { ...debian.programs, [list()]: '' } })), [])
})

t.test('what cannot be told is said', async (t) => {
  const refusal = await strangers(hostOf(debian)).catch((error: Refused) => error.refusal)
  t.match(refusal, { reason: 'EngineDown', message: /docker\.service does not run, so nobody can tell/ })
  await t.rejects(async () => void (await strangers(running({ ...debian, programs: {} }))), /install docker-cli/)
  const broken = { code: 1, stdout: '', stderr: 'permission denied' }
  const host = running({ ...debian, programs: { ...debian.programs, [list()]: broken } })
  await t.rejects(async () => void (await strangers(host)), /docker ps .* ended with code 1: permission denied/)
})

t.test('pods are removed without CRI: containers first, sandboxes last, strangers never', async (t) => {
  const rows = [
    's1\tk8s_POD_web_shop_3f_0\t3f',
    'c1\tk8s_app_web_shop_3f_2\t3f',
    'x\tregistry\t',
    's2\tk8s_POD_b_n_4_0\t4',
  ]
  const remove = '/usr/bin/docker rm --force --volumes c1 s1 s2'
  const programs = { ...debian.programs, [list('--all ')]: rows.join('\n'), [remove]: 'c1\ns1\ns2\n' }
  t.equal(await removePods(running({ ...debian, programs }), 1_000), 2)
  const none = { ...debian.programs, [list('--all ')]: 'x\tregistry\t\n' }
  t.equal(await removePods(running({ ...debian, programs: none }), 1_000), 0)
})

t.test('network namespaces of a dockerd that was killed are unmounted, but those that a process is in', async (t) => {
  const folder = '/run/docker/netns'
  const files = { [`${folder}/aaa`]: '', [`${folder}/bbb`]: '', [`${folder}/ccc`]: '' }
  const programs = {
    'findmnt --raw --noheadings --types nsfs --output TARGET,SOURCE': [
      `${folder}/aaa nsfs[net:[4026532001]]`,
      `${folder}/bbb nsfs[net:[4026532002]]`,
      '/run/netns/cni-1 nsfs[net:[4026532003]]\n',
    ].join('\n'),
    'lsns --raw --noheadings --type net --output NS,NPROCS': '4026531833 89\n4026532001 0\n4026532002 2\n',
  }
  const changed: string[] = []
  const swept = (host: Host): Host => ({
    ...host,
    run: async (argv, options) => {
      if (argv[0] !== 'umount') return host.run(argv, options)
      changed.push(argv.join(' '))
      return { code: 0, stdout: '', stderr: '' }
    },
    removeFile: async (path) => void changed.push(`rm ${path}`),
  })
  for (const host of [hostOf({ files, programs }), unitsAre('failed', { files, programs })]) {
    await docker.sweep?.(swept(host))
    t.same(changed.splice(0), [`umount ${folder}/aaa`, `rm ${folder}/aaa`, `rm ${folder}/ccc`])
  }
  await docker.sweep?.(swept(running({ files, programs })))
  await docker.sweep?.(swept(hostOf({ files: {} })))
  t.same(changed, [], 'a Docker that runs knows better; where none was there is nothing to ask')
})
