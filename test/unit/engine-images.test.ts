import t from 'tap'
import { planImages } from '../../node-agent/engine/image-plan.ts'
import { type Planned, prepare } from '../../node-agent/engine/prepare.ts'
import { images as ofContainerd } from '../../node-agent/engines/containerd/images.ts'
import { images as ofCrio } from '../../node-agent/engines/crio/images.ts'
import { crio } from '../../node-agent/engines/crio/index.ts'
import { images as ofDocker } from '../../node-agent/engines/docker/images.ts'
import { docker } from '../../node-agent/engines/docker/index.ts'
import { platform } from '../../node-agent/engines/image-programs.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { nodeDisk } from '../../node-agent/host/node-disk.ts'
import { freshMemory } from '../../node-agent/journal/memory.ts'
import { Store } from '../../node-agent/journal/store.ts'
import { type HostOf, hostOf } from './detect-host.ts'

const archive = '/var/lib/drydock/images.tar'
const names = ['docker.io/library/busybox:1.36', 'registry.k8s.io/pause:3.10']

/** Every program answers; what was run is kept. */
function recording(
  given: HostOf,
  answers: Readonly<Record<string, string>> = {},
): { host: Host; ran: string[]; removed: string[] } {
  const host = hostOf(given)
  const ran: string[] = []
  const removed: string[] = []
  return {
    ran,
    removed,
    host: {
      ...host,
      removeFile: async (path) => void removed.push(path),
      run: async (argv, options) => {
        const line = argv.join(' ')
        if (given.programs?.[line] !== undefined) return host.run(argv, options)
        ran.push(line)
        const answer = Object.entries(answers).find(([start]) => line.startsWith(start))?.[1]
        return { code: 0, stdout: answer ?? '', stderr: '' }
      },
    },
  }
}

const containerd: HostOf = {
  files: { '/u/containerd.service': '[Service]\nExecStart=/opt/c/bin/containerd\n' },
  programs: {
    '/opt/c/bin/containerd --version': 'containerd github.com/containerd/containerd/v2 v2.3.7 ',
    '/opt/c/bin/containerd config default': 'version = 3\n[grpc]\naddress = "/run/other.sock"\n',
    '/opt/c/bin/ctr x': '',
    '/usr/bin/ctr x': '',
  },
  units: { 'containerd.service': { execStart: '/opt/c/bin/containerd', files: ['/u/containerd.service'] } },
}

t.test('containerd: the ctr beside the program, in the namespace of the kubelet', async (t) => {
  const { host, ran, removed } = recording(containerd)
  t.equal(await ofContainerd.cannot(host), undefined)
  await ofContainerd.export(host, names, archive, 1_000)
  await ofContainerd.import(host, archive, 1_000)
  const ctr = '/opt/c/bin/ctr --address /run/other.sock --namespace k8s.io images'
  t.same(ran, [
    `${ctr} export --platform ${platform} ${archive} ${names.join(' ')}`,
    `${ctr} import --platform ${platform} ${archive}`,
  ])
  t.same(removed, [archive], 'an archive of before makes no difference')
  const { host: bare } = recording({ ...containerd, programs: { ...containerd.programs, '/usr/bin/ctr x': '' } })
  t.equal(
    await ofContainerd.cannot({ ...bare, isExecutable: async (path) => !path.endsWith('ctr') }),
    `ctr, which carries images of containerd, is in none of /opt/c/bin, /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin`,
  )
})

t.test('containerd: the ctr that an archive brings to a host without containerd', async (t) => {
  const { units: _, files: _files, ...programs } = containerd
  const host = hostOf({ ...programs, files: {} })
  t.match(await ofContainerd.cannot(host), /in none of/, 'there is no containerd yet')
  const staged = { program: '/opt/c/bin/containerd', version: '2.3.7', searchPath: ['/opt/c/bin'], files: [] }
  t.equal(await ofContainerd.cannot(host, staged), undefined)
})

t.test('Docker: its own program', async (t) => {
  const { host, ran } = recording({ files: {}, programs: { '/usr/bin/docker x': '' } })
  t.equal(await ofDocker.cannot(host), undefined)
  await ofDocker.export(host, names, archive, 1_000)
  await ofDocker.import(host, archive, 1_000)
  t.same(ran, [
    `/usr/bin/docker save --output ${archive} ${names.join(' ')}`,
    `/usr/bin/docker load --quiet --input ${archive}`,
  ])
  t.match(await ofDocker.cannot(hostOf({ files: {} })), /the docker program, .* is in none of/)
})

t.test('CRI-O: podman, which takes any number of images', async (t) => {
  const { host, ran } = recording({ files: {}, programs: { '/usr/bin/podman x': '', '/usr/bin/skopeo x': '' } })
  t.equal(await ofCrio.cannot(host), undefined)
  await ofCrio.export(host, names, archive, 1_000)
  await ofCrio.import(host, archive, 1_000)
  t.same(ran, [
    `/usr/bin/podman save --quiet --format docker-archive --multi-image-archive --output ${archive} ${names.join(' ')}`,
    `/usr/bin/podman load --quiet --input ${archive}`,
  ])
})

t.test('CRI-O: skopeo, which takes one at a time', async (t) => {
  const { host, ran } = recording(
    { files: {}, programs: { '/usr/bin/skopeo x': '' } },
    { '/usr/bin/skopeo list-tags': JSON.stringify({ Tags: names }) },
  )
  await ofCrio.export(host, names, archive, 1_000)
  await ofCrio.import(host, archive, 1_000)
  const copy = '/usr/bin/skopeo --insecure-policy copy --quiet'
  t.same(ran, [
    ...names.map(
      (name) => `${copy} --dest-oci-accept-uncompressed-layers containers-storage:${name} oci:${archive}.d:${name}`,
    ),
    `tar -C ${archive}.d -cf ${archive} .`,
    `rm -r -f -- ${archive}.d`,
    `/usr/bin/skopeo list-tags docker-archive:${archive}`,
    ...names.map((name) => `${copy} docker-archive:${archive}:${name} containers-storage:${name}`),
  ])
  t.equal(
    await ofCrio.cannot(hostOf({ files: {} })),
    'neither podman nor skopeo, which carry images of CRI-O, is on the node',
  )
  await t.rejects(ofCrio.import(hostOf({ files: {} }), archive, 1_000), /install one of them, or have images pulled/)
})

t.test('a program that fails is told of, with what it said', async (t) => {
  const host = hostOf({
    files: {},
    programs: {
      [`/usr/bin/docker load --quiet --input ${archive}`]: { code: 1, stdout: '', stderr: 'no space left\n' },
    },
  })
  await t.rejects(ofDocker.import(host, archive, 1_000), {
    message: `"/usr/bin/docker load --quiet --input ${archive}" ended with code 1: no space left`,
  })
})

t.test('an archive that would fill the disk is refused before the drain', async (t) => {
  const programs = { '/usr/bin/docker x': '', '/usr/bin/podman x': '' }
  const planned = async (images: 'transfer' | 'pull', free: number) => {
    const host = hostOf({ files: {}, programs, free })
    const target = { engine: { name: 'cri-o' }, migration: { images } } as const
    const input = { from: docker, to: crio, target, names, bytes: 40e9, stateFolder: '/var/lib/drydock' }
    const { archiveBytes, images: carried } = await planImages({ host, hostAhead: host }, input)
    const side = { name: 'docker', units: [], endpoint: '' } as const
    const change = { action: 'DrainSwitch', from: side, to: side, units: [], image: 'agent', images: carried } as const
    const plan = { edits: [], changes: [], notes: [], change, archiveBytes } as unknown as Planned
    const store = new Store(nodeDisk, '/var/lib/drydock')
    const preparing = { host, store, machineID: 'm', plan: async () => ({ observed: {}, plan }) }
    return prepare(preparing, { permit: 'Prepare', revision: 'r', attempt: 1 }, freshMemory('m'))
  }
  t.match(await planned('transfer', 40e9), {
    reason: 'NoSpace',
    message:
      /^\/var\/lib\/drydock has 40000000000 bytes left, .* may take 40000000000, .*: free some space there, or write migration\.images: pull\.$/,
  })
  t.match(await planned('transfer', 41e9), { shown: { action: 'DrainSwitch' } })
  t.match(await planned('pull', 1e9), { shown: { action: 'DrainSwitch' } })
})
