import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { readProfile } from '../../cli/node/profile.ts'
import { endOf, observedOf } from '../../cli/node/render.ts'
import { run } from '../../cli/program.ts'
import { plain } from '../../cli/render/paint.ts'
import { observe } from '../../node-agent/detect/observe.ts'
import { checkPerson } from '../../node-agent/embedded/person.ts'
import { changeOf, sidesOf } from '../../node-agent/engine/composing.ts'
import { containerd } from '../../node-agent/engines/containerd/index.ts'
import { freshMemory } from '../../node-agent/journal/memory.ts'
import { nothing } from '../../node-agent/plan/nothing.ts'
import { stepsOf } from '../../node-agent/steps/index.ts'
import { type HostOf, hostOf } from './detect-host.ts'

const kubelet = {
  files: {
    '/etc/os-release': 'ID=debian\nVERSION_ID="13"\n',
    '/lib/systemd/system/kubelet.service':
      '[Service]\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\n',
  },
  programs: { '/usr/bin/kubelet --version': 'Kubernetes v1.36.3\n' },
  units: {
    'kubelet.service': { execStart: '/usr/bin/kubelet', files: ['/lib/systemd/system/kubelet.service'] },
  },
} satisfies HostOf

t.test('a machine whose kubelet has not joined is looked at without it, and only for a person', async (t) => {
  const alone = await observe(hostOf(kubelet), { isEmbedded: true })
  t.match(alone, { kubelet: undefined, engine: undefined, isVacant: true, refusal: undefined })
  t.match(alone.observed, { engine: { name: 'none' }, kubeletVersion: '1.36.3' })
  const ofCluster = await observe(hostOf(kubelet))
  t.match(ofCluster.kubelet, { unit: 'kubelet.service' })
  const joined = { ...kubelet, files: { ...kubelet.files, '/var/lib/kubelet/config.yaml': 'cgroupDriver: systemd\n' } }
  t.match((await observe(hostOf(joined), { isEmbedded: true })).kubelet, { unit: 'kubelet.service' })
})

t.test('a machine without a kubelet is refused, but not to a person', async (t) => {
  const bare = hostOf({ files: { '/etc/os-release': 'ID=debian\n' } })
  t.match((await observe(bare)).refusal, { reason: 'KubeletUnknown' })
  t.match(await observe(bare, { isEmbedded: true }), { refusal: undefined, isVacant: true })
  const docker = hostOf({ files: {} })
  const unit = async (name: string) => ({ ...(await docker.unit(name)), activeState: 'active' })
  t.match((await observe({ ...docker, unit }, { isEmbedded: true })).refusal, { message: /stop docker\.service/ })
})

const observation = {
  observed: { engine: { name: 'none' }, cgroup: { version: 'v2' } },
  machineID: 'm',
  bootID: 'b',
  kubelet: undefined,
  engine: undefined,
} as const
const found = {
  observed: { engine: { name: 'containerd', version: '2.3.1', socket: '/run/containerd/containerd.sock' } },
  configFiles: [{ path: '/etc/containerd/config.toml', bytes: undefined }],
  ociRuntimes: [],
  searchPath: [],
} as const
const target = { engine: { name: 'containerd' }, cgroupDriver: 'systemd' } as const
const planned = { edits: [], changes: [], notes: [], action: 'DrainSwitch', target } as const
const order = { revision: 'r', attempt: 1, permit: 'Switch', image: 'agent', target } as const

t.test('the first engine of a machine: nobody waits for a kubelet, and nothing former is proven', async (t) => {
  const composing = {
    ...{ order, observation, plan: planned },
    memory: freshMemory('m'),
    to: { engine: containerd, found },
  }
  const change = changeOf(composing, new Map(), undefined)
  t.match(change, {
    from: { name: 'none', units: [] },
    to: { name: 'containerd', units: ['containerd.service'], endpoint: 'unix:///run/containerd/containerd.sock' },
    wanted: { cgroupDriver: 'systemd', cgroupVersion: 'v2' },
    kubeletUnit: undefined,
    healthz: undefined,
    former: undefined,
  })
  t.notOk('kubeletDriver' in change.wanted, 'there is no kubelet to agree with')
  const steps = stepsOf({ ...change, files: [], archives: ['/a.tar'] })
  t.notOk(steps.includes('remove-pods'))
  t.ok(steps.indexOf('import-images') < steps.indexOf('prove'), 'the archives come before the proof')
})

t.test('the way back to no engine proves nothing and starts nothing', async (t) => {
  const side = { name: 'none', units: [], endpoint: '' } as const
  const units = [{ name: 'containerd.service', enabled: '', runs: false }]
  const memory = { ...freshMemory('m'), origin: { side, units } }
  const running = {
    ...observation,
    observed: { ...observation.observed, engine: { name: 'containerd' } },
    engine: { engine: containerd, found },
  }
  const { target: _, ...back } = { ...order, revision: 'original' }
  const state = {
    ...(await hostOf({ files: {} }).unit('x')),
    loadState: 'loaded',
    activeState: 'active',
    enabled: 'enabled',
  }
  const states = new Map([['containerd.service', state]])
  const composing = { order: back, observation: running, memory, to: nothing, plan: { ...planned, target: undefined } }
  t.match(sidesOf(composing, states), { from: { name: 'containerd' }, to: { name: 'none', units: [] } })
  const change = changeOf(composing, states, undefined)
  t.match(change.units, [{ enabled: { after: 'disabled' }, runs: { before: true, after: false } }])
  const steps = stepsOf({ ...change, files: [] })
  t.ok(steps.includes('disable-units') && steps.includes('stop-engine'))
  t.notOk(steps.includes('prove') || steps.includes('import-images'))
})

t.test('whose machine it is', async (t) => {
  const disk = (files: Record<string, string>) => ({
    read: async (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path])),
  })
  const systemd = { '/proc/1/comm': 'systemd\n' }
  await t.resolves(checkPerson(disk(systemd), 0))
  await t.rejects(checkPerson(disk(systemd), 1000), /as root/)
  await t.rejects(checkPerson(disk({ '/proc/1/comm': 'sh\n' }), 0), /systemd does not run/)
  const owned = { ...systemd, '/etc/systemd/system/drydock-engine.service': '' }
  await t.rejects(checkPerson(disk(owned), 0), /change the RuntimeProfile instead/)
})

const profile = (name: string) => `apiVersion: drydock.dev/v1alpha1
kind: RuntimeProfile
metadata: {name: ${name}}
spec:
  nodeSelector: {}
  engine: {name: containerd}
`

t.test('one profile, and a right one', async (t) => {
  const read = (text: string) => readProfile('-', Readable.from([text]))
  t.match(await read(profile('a')), { metadata: { name: 'a' }, spec: { engine: { name: 'containerd' } } })
  await t.rejects(read(`${profile('a')}---\n${profile('b')}`), /2 RuntimeProfiles/)
  await t.rejects(read('kind: Pod\n'), /0 RuntimeProfiles/)
  await t.rejects(read(profile('a').replace('containerd}', 'podman}')), /-:6: spec\.engine\.name/)
})

t.test('a wrong file is wrong usage, and is said before the machine is looked at', async (t) => {
  const file = join(await mkdtemp(join(tmpdir(), 'drydock-embedded-')), 'p.yaml')
  await writeFile(file, profile('a').replace('engine', 'motor'))
  let said = ''
  const complain = async (text: string) => {
    said += text
  }
  const terminal = { input: Readable.from([]), print: complain, complain, paint: plain, width: 80 }
  t.equal(await run(['node', 'apply', file], terminal), 2)
  t.match(said, /spec\.motor: unknown field/)
  t.equal(await run(['node', 'apply'], terminal), 2)
})

t.test('how a change has ended is said', async (t) => {
  const good = endOf(
    {
      phase: 'Committed',
      notes: ['A note.'],
      verification: {
        passed: true,
        time: '2026-01-01T00:00:00Z',
        durationMilliseconds: 1500,
        handlers: [{ name: 'runc', passed: true, durationMilliseconds: 900, podIP: '10.0.0.1' }],
      },
    },
    'Done.',
    plain,
  )
  t.equal(good.text, 'Done.\nproven by a pod of each handler in 1.5 s: runc (pod 10.0.0.1)\n! A note.\n')
  t.equal(good.code, 0)
  t.match(endOf({ phase: 'RolledBack', message: 'It broke.' }, 'Done.', plain), {
    text: 'undone, and the former state is back: It broke.\n',
    code: 1,
  })
  t.match(observedOf({ engine: { name: 'none' } }), ['engine:   no container engine', 'kubelet:  none'])
})
