import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { cniFolder, detectCni } from '../../node-agent/cni/cni.ts'
import { renderCni } from '../../node-agent/cni/render.ts'
import { crictlPath, renderCrictl } from '../../node-agent/crictl/render.ts'
import { keepBytes } from '../../node-agent/engine/prepare.ts'
import { type FileEdit, isRefusal, type Pasts } from '../../node-agent/engines/engine.ts'
import { engines } from '../../node-agent/engines/index.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { nodeDisk } from '../../node-agent/host/node-disk.ts'
import type { Staging } from '../../node-agent/host/staging.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { committed, freshMemory, type Memory } from '../../node-agent/journal/memory.ts'
import type { Change, Order } from '../../node-agent/journal/records.ts'
import { Store } from '../../node-agent/journal/store.ts'
import { residueOf } from '../../node-agent/kubelet/residue.ts'
import { programsFolder } from '../../node-agent/sources/folders.ts'
import { removeUnused } from '../../node-agent/sources/unused.ts'
import type { StepContext } from '../../node-agent/steps/step.ts'
import { writeFiles } from '../../node-agent/steps/write-files.ts'
import { hostOf } from './detect-host.ts'

const runs = { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 300) }

function pastsOf(edits: readonly FileEdit[]): Pasts {
  return new Map(edits.map(({ path, original, after: written }) => [path, { original, written }]))
}

const crio = 'unix:///var/run/crio/crio.sock'

function crictl(text: string | undefined, pasts: Pasts = new Map(), endpoint = crio): readonly FileEdit[] {
  const edits = renderCrictl(
    { path: crictlPath, bytes: text === undefined ? undefined : Buffer.from(text) },
    endpoint,
    pasts,
  )
  if (isRefusal(edits)) throw new Error(edits.message)
  return edits
}

t.test('crictl is pointed at the engine, the rest of its file stays', async (t) => {
  const stale =
    '# ours\nruntime-endpoint: unix:///var/run/dockershim.sock # old\nimage-endpoint: "unix:///var/run/dockershim.sock"\ntimeout: 10\r\n'
  t.equal(`${crictl(stale)[0]!.after}`, stale.replaceAll('unix:///var/run/dockershim.sock', crio))
  t.equal(`${crictl('timeout: 10\n')[0]!.after}`, `timeout: 10\nruntime-endpoint: ${crio}\n`)
  t.equal(`${crictl('')[0]!.after}`, `runtime-endpoint: ${crio}\n`)
  t.same(
    crictl('runtime-endpoint: unix:///run/crio/crio.sock\nimage-endpoint: ""\n'),
    [],
    'the same socket by another name',
  )
  t.same(crictl(undefined), [], 'no file, none made')
  const refusal = renderCrictl({ path: crictlPath, bytes: Buffer.from('a: 1\na: 2\n') }, crio, new Map())
  t.match(refusal, { reason: 'ConfigInvalid', message: /\/etc\/crictl\.yaml:2/ })
})

const line = fc.constantFrom(
  'timeout: 10',
  'debug: false # x',
  '# runtime-endpoint: old',
  '',
  'pull-image-on-create: true',
)
const endpoints = fc.constantFrom('', 'unix:///run/containerd/containerd.sock', crio, '/run/crio/crio.sock')
const crictlText = fc
  .record({
    lines: fc.uniqueArray(line),
    runtime: endpoints,
    image: endpoints,
    quote: fc.constantFrom('', '"', "'"),
    end: fc.constantFrom('\n', '\r\n'),
    last: fc.boolean(),
  })
  .map(({ lines, runtime, image, quote, end, last }) => {
    const keys = [
      ...(runtime ? [`runtime-endpoint:  ${quote}${runtime}${quote} # engine`] : []),
      ...(image ? [`"image-endpoint": ${quote}${image}${quote}`] : []),
    ]
    return [...lines, ...keys].join(end) + (last ? end : '')
  })

t.test('any file of crictl: other bytes stay, twice is once, back is back', async (t) => {
  const rest = (text: string) => text.replaceAll(/^"?(runtime|image)-endpoint.*$/gm, '').trim()
  fc.assert(
    fc.property(crictlText, (text) => {
      const edits = crictl(text)
      for (const { after } of edits) {
        if (rest(`${after}`) !== rest(text)) throw new Error(`${after}`)
        if (crictl(`${after}`).length + crictl(`${after}`, pastsOf(edits)).length > 0) throw new Error('again')
        const theirs = crictl(`${after}\n# theirs\n`, pastsOf(edits), 'unix:///run/containerd/containerd.sock')
        const undone = theirs[0]?.original ?? Buffer.from(text)
        if (`${undone}`.split(/\s+/).sort().join() !== `${text}\n# theirs\n`.split(/\s+/).sort().join()) {
          throw new Error(`not undone: ${undone}`)
        }
      }
    }),
    runs,
  )
  t.pass()
})

const network = (type: string, subnet = '10.244.1.0/24') =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'n', plugins: [{ type, ipam: { ranges: [[{ subnet }]] } }] })
const bridge = network('bridge', '10.85.0.0/16')

async function cni(
  files: Record<string, string>,
  pasts: Pasts = new Map(),
): Promise<Record<string, string | undefined>> {
  const host = hostOf({
    files: Object.fromEntries(Object.entries(files).map(([name, text]) => [`${cniFolder}/${name}`, text])),
  })
  const edits = renderCni(await detectCni(host), pasts)
  return Object.fromEntries(edits.map(({ path, after }) => [path.slice(cniFolder.length + 1), after?.toString()]))
}

t.test("networks that engines brought make way for the cluster's", async (t) => {
  const cluster = { '10-flannel.conflist': network('flannel') }
  const files = Object.entries({ ...cluster, '10-crio-bridge.conflist': bridge })
  const found = files.map(([name, text]) => ({ path: `${cniFolder}/${name}`, bytes: Buffer.from(text) }))
  t.match(renderCni(found, new Map()), [{ after: undefined }, { path: /\.disabled$/, mode: 0o600 }], 'as CIS asks')
  t.same(await cni({ ...cluster, '10-crio-bridge.conflist': bridge, '200-loopback.conf': '{"type":"loopback"}' }), {
    '10-crio-bridge.conflist': undefined,
    '10-crio-bridge.conflist.disabled': bridge,
  })
  const both = {
    '10-containerd-net.conflist': network('bridge', '10.88.0.0/16'),
    '11-crio-ipv4-bridge.conflist': bridge,
  }
  t.same(Object.keys(await cni({ ...both, '30-own.conf': '{"type":"ptp"}' })).length, 4)
  const untouched: Record<string, Record<string, string>> = {
    "after the cluster's": { ...cluster, '87-podman-bridge.conflist': network('bridge', '10.88.0.0/16') },
    'the only network': { '10-crio-bridge.conflist': bridge },
    'beside a loopback': { '10-crio-bridge.conflist': bridge, '99-loopback.conf': '{"type":"loopback"}' },
    'beside what is no network': { '10-crio-bridge.conflist': bridge, '20-broken.conf': '{', '30-empty.conf': 'null' },
    'beside a file that is disabled': {
      '10-crio-bridge.conflist': bridge,
      '20-flannel.conflist.bak': network('flannel'),
    },
    'with subnets of its own': { ...cluster, '10-containerd-net.conflist': network('bridge', '10.244.1.0/24') },
    'with a name of its own': { '00-mine.conflist': bridge, ...cluster },
  }
  for (const [name, files] of Object.entries(untouched)) t.same(await cni(files), {}, name)
  t.same(
    await cni({ ...cluster, '10-crio-bridge.conflist': bridge, '10-crio-bridge.conflist.disabled': 'theirs' }),
    { '10-crio-bridge.conflist': undefined, '10-crio-bridge.conflist.drydock.disabled': bridge },
    'what is there stays',
  )
  t.same(
    await cni({ ...cluster, '10-crio-bridge.conflist': bridge, '10-crio-bridge.conflist.disabled': bridge }),
    { '10-crio-bridge.conflist': undefined },
    'a package has both',
  )
})

t.test(
  'any folder: only files of engines move, the first network is the same or the first of the cluster',
  async (t) => {
    const name = fc.constantFrom(
      '05-cilium.conflist',
      '10-crio-bridge.conf',
      '10-crio-bridge.conflist',
      '10-containerd-net.conflist',
      '87-podman.conflist',
      '99-loopback.conf',
      '50-own.json',
      '10-crio-bridge.conf.disabled',
    )
    const text = fc.constantFrom(bridge, network('bridge'), network('loopback'), '{}', 'x')
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, text), async (files) => {
        const edits = await cni(files)
        const now: Record<string, string | undefined> = { ...files, ...edits }
        for (const [path, after] of Object.entries(edits)) {
          if (after === undefined && !/crio|podman|containerd/.test(path)) throw new Error(`took ${path}`)
          if (after === undefined && !Object.values(now).includes(files[path]!)) throw new Error(`lost ${path}`)
        }
        const left = Object.fromEntries(
          Object.entries(now).filter((entry): entry is [string, string] => entry[1] !== undefined),
        )
        if (Object.keys(await cni(left)).length > 0) throw new Error('again')
      }),
      runs,
    )
    t.pass()
  },
)

t.test(
  'a file that makes way comes back with its permissions, when it is undone and when the profile goes',
  async (t) => {
    const folder = t.testdir({ '10-crio-bridge.conflist': bridge })
    const path = join(folder, '10-crio-bridge.conflist')
    await chmod(path, 0o600)
    const host = systemHost()
    const store = new Store(nodeDisk, join(folder, 'state'))
    await store.makeFolder()
    const mode = async () => (await stat(path)).mode & 0o7777
    const original = Buffer.from(bridge)
    const changed = async (memory: Memory, before: Buffer | undefined, after: Buffer | undefined) => {
      const files = await keepBytes({ host, store }, memory, [{ path, before, after, original }])
      const withReserve = (act: () => Promise<void>) => act()
      const context = { host, blobs: store.blobs, change: { files }, withReserve } as unknown as StepContext
      return { files, apply: () => writeFiles.apply(context), revert: () => writeFiles.revert!(context) }
    }
    const { files, ...away } = await changed(freshMemory('m'), original, undefined)
    await away.apply()
    await away.revert()
    t.equal(await mode(), 0o600)
    await away.apply()
    const side = { name: 'containerd', units: [], endpoint: '' } as const
    const change = { action: 'DrainSwitch', from: side, to: side, units: [], files, image: '' } as unknown as Change
    const order: Order = { permit: 'Switch', revision: 'r', attempt: 1, target: { engine: { name: 'containerd' } } }
    const memory = committed(freshMemory('m'), { id: 'one', order, change }, {})
    const back = await changed(JSON.parse(JSON.stringify(memory)), undefined, original)
    await back.apply()
    t.equal(await mode(), 0o600)
    await back.revert()
    await t.rejects(stat(path), { code: 'ENOENT' })
  },
)

t.test('what an exchange leaves behind', async (t) => {
  const docker = {
    name: 'docker',
    units: ['docker.service', 'cri-docker.service'],
    endpoint: 'unix:///run/cri-dockerd.sock',
  } as const
  const log = '/var/log/pods/ns_pod_uid/app/0.log'
  const files = {
    '/var/log/pods/ns_pod_uid': '',
    '/var/log/pods/ns_pod_uid/app': '',
    [log]: '',
    '/var/log/containers/a.log': '',
  }
  const isThere = (path: string) => path === '/run/cri-dockerd.sock' || path === '/var/log/containers/a.log'
  const host: Host = { ...hostOf({ files }), realPath: async (path) => (isThere(path) ? path : undefined) }
  t.match(await residueOf(host, docker), [
    /^The socket \/run\/cri-dockerd\.sock of docker.*criSocket/,
    /^1 log files .* lead nowhere/,
  ])
  const serving = {
    ...host,
    unit: async (name: string) => ({ ...(await host.unit(name)), activeState: 'active' }),
    realPath: async (path: string) => path,
  }
  t.same(await residueOf(serving, docker), [])
})

t.test('programs that the configuration of the node names stay, also when no state tells of them', async (t) => {
  const program = `${programsFolder}/containerd-aaa/bin/containerd`
  const config = '/etc/containerd/config.toml'
  const dropIn = '/etc/systemd/system/containerd.service.d/90-drydock.conf'
  const text = `version = 3
imports = ["/etc/containerd/more.toml"]
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["${programsFolder}/cni-plugins-bbb"]
`
  const more = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.crun.options]
BinaryName = "${programsFolder}/crun-ccc/crun"
`
  const removed: string[] = []
  const staging = { removeFolder: async (path: string) => void removed.push(path) } as unknown as Staging
  const folders = ['containerd-aaa', 'cni-plugins-bbb', 'crun-ccc', 'crun-ddd']
  const files = {
    ...Object.fromEntries(folders.map((name) => [`${programsFolder}/${name}`, ''])),
    [dropIn]: `[Service]\nExecStart=\nExecStart=${program}\n`,
    [config]: text,
    '/etc/containerd/more.toml': more,
  }
  const programs = {
    [`${program} --version`]: 'containerd github.com/containerd/containerd/v2 v2.3.7 ',
    [`${program} --config ${config} config dump`]: `${text}${more}`,
  }
  const units = { 'containerd.service': { execStart: program, files: [dropIn] } }
  let asked = 0
  const ask = async () => {
    asked++
    return engines
  }
  const host = hostOf({ files, programs, units })
  t.same(await removeUnused({ host, staging }, [], ask), ['crun-ddd'])
  t.same(removed, [`${programsFolder}/crun-ddd`])
  const broken = hostOf({ files, units })
  await t.rejects(removeUnused({ host: broken, staging }, [], ask), /no program answers/)
  t.equal(removed.length, 1, 'what cannot be asked about stays')
  asked = 0
  await removeUnused({ host, staging }, [folders.map((name) => `${programsFolder}/${name}`).join()], ask)
  t.equal(asked, 0, 'nobody is asked when there is nothing to remove')
})
