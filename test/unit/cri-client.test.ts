import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../kube/clock.ts'
import { CriClient, engineCgroupDriver } from '../../node-agent/cri/client.ts'
import type { CriError } from '../../node-agent/cri/error.ts'
import {
  Container,
  ContainerState,
  Image,
  NamespaceMode,
  type PodSandboxConfig,
} from '../../node-agent/cri/gen/runtime.ts'
import { imageBytes, imagesInUse } from '../../node-agent/cri/images.ts'
import { type RemoveOptions, removeAllSandboxes } from '../../node-agent/cri/sandboxes.ts'
import { waitForCri } from '../../node-agent/cri/wait.ts'
import { criRuntime } from '../../node-agent/engine/cri-runtime.ts'
import { FakeEngine, type FakeOptions, type Faults } from './cri-fake-engine.ts'

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-cri-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

async function given(t: Test, options: Partial<FakeOptions> = {}): Promise<{ engine: FakeEngine; client: CriClient }> {
  const engine = await new FakeEngine({ folder: await folderOf(t), ...options }).start()
  t.teardown(() => engine.stop())
  return { engine, client: clientOf(t, engine.socket) }
}

function clientOf(t: Test, socket: string): CriClient {
  const client = new CriClient(socket)
  t.teardown(() => client.close())
  return client
}

const errorOf = (promise: Promise<unknown>): Promise<CriError> =>
  promise.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: CriError) => error,
  )

const sandbox = (name: string, labels: Record<string, string> = {}): PodSandboxConfig => ({
  metadata: { name, uid: name, namespace: 'default', attempt: 0 },
  hostname: name,
  logDirectory: tmpdir(),
  labels,
  linux: {
    cgroupParent: '/test',
    securityContext: {
      namespaceOptions: { network: NamespaceMode.POD, pid: NamespaceMode.POD, ipc: NamespaceMode.POD },
    },
  },
})

t.test('many calls at once go over one connection', async (t) => {
  const { client, engine } = await given(t)
  const answers = await Promise.all(Array.from({ length: 200 }, () => client.call('version', {})))
  t.ok(answers.every(({ runtimeName }) => runtimeName === 'fake'))
  t.equal(engine.called.length, 200)
})

t.test('answers of megabytes arrive whole, larger ones than 16 MiB are refused', async (t) => {
  const big = (bytes: number): Faults => ({
    execSync: () => ({ stdout: Buffer.alloc(bytes, 1), stderr: Buffer.alloc(0), exitCode: 0 }),
  })
  const { client, engine } = await given(t, { faults: big(10 * 1024 * 1024) })
  const request = { containerId: 'x', cmd: [], timeout: 1n }
  engine.containers.set('x', { config: { command: ['x'] } } as never)
  t.equal((await client.call('execSync', request)).stdout.length, 10 * 1024 * 1024)
  engine.faults = big(17 * 1024 * 1024)
  t.match(await errorOf(client.call('execSync', request)), { code: 8, message: /more than 16777216 bytes/ })
  t.equal((await client.call('version', {})).runtimeName, 'fake', 'the connection survives it')
  engine.containers.clear()
})

t.test('what an engine refuses is told in its words', async (t) => {
  const { client } = await given(t, {
    faults: {
      runPodSandbox: { code: 2, details: 'größer als 100 % von »x«' },
      stopContainer: { code: 5, details: 'gone' },
    },
  })
  const error = await errorOf(client.call('runPodSandbox', { config: sandbox('a'), runtimeHandler: '' }))
  t.match(error, { code: 2, rpc: 'RunPodSandbox', details: 'größer als 100 % von »x«' })
  t.equal(error.message, 'RunPodSandbox: the engine said: größer als 100 % von »x«')
  t.equal((await errorOf(client.call('stopContainer', { containerId: 'x', timeout: 0n }))).isNotFound, true)
})

t.test('a call that is not answered ends at its deadline', async (t) => {
  const { client } = await given(t, { faults: { version: 'hang' } })
  const start = performance.now()
  const error = await errorOf(client.call('version', {}, 100))
  const took = performance.now() - start
  t.equal(error.isDeadlineExceeded, true)
  t.match(error.message, /^Version: the engine at \/.*cri\.sock gave no answer within 100 ms$/)
  t.ok(took >= 95 && took < 1_000, `${took} ms`)
})

t.test('unimplemented calls and an absent CRI are told apart', async (t) => {
  const { client, engine } = await given(t, {
    faults: { runtimeConfig: { code: 12, details: 'unknown method RuntimeConfig' } },
  })
  const unknown = await errorOf(client.call('runtimeConfig', {}))
  t.equal(unknown.isUnimplemented, true)
  t.equal(unknown.isNotServed, false)
  t.equal(await engineCgroupDriver(client), undefined)
  engine.faults = { runtimeConfig: { code: 12, details: 'unknown service runtime.v1.RuntimeService' } }
  const absent = await errorOf(engineCgroupDriver(client))
  t.equal(absent.isNotServed, true)
  t.match(absent.message, /serves no CRI .*disabled_plugins/)
})

t.test('the driver is what the engine says, and unknown when it says nothing', async (t) => {
  const { client, engine } = await given(t, { driver: 'systemd' })
  t.equal(await engineCgroupDriver(client), 'systemd')
  engine.faults = { runtimeConfig: () => ({ linux: { cgroupDriver: 1 } }) }
  t.equal(await engineCgroupDriver(client), 'cgroupfs')
  engine.faults = { runtimeConfig: () => ({}) }
  t.equal(await engineCgroupDriver(client), undefined, 'absent is not the zero value SYSTEMD')
})

t.test('nobody on the socket is unavailable, with the system’s word for it', async (t) => {
  const { client, engine } = await given(t)
  const none = clientOf(t, '/run/drydock-test/none.sock')
  t.match(await errorOf(none.call('version', {})), { isUnavailable: true, message: /ENOENT/ })
  await client.call('version', {})
  engine.faults = { version: 'hang' }
  const broken = errorOf(client.call('version', {}, 5_000))
  setTimeout(() => engine.stop(), 50)
  t.equal((await broken).isUnavailable, true, 'an engine that dies during a call')
  t.equal((await errorOf(client.call('version', {}))).isUnavailable, true, 'and stays away')
})

t.test('the same client reaches an engine that came back', async (t) => {
  const { client, engine } = await given(t)
  await client.call('version', {})
  engine.stop()
  await errorOf(client.call('version', {}))
  const next = await new FakeEngine(engine.options).start()
  t.teardown(() => next.stop())
  t.equal((await client.call('version', {})).runtimeName, 'fake')
})

t.test('closing ends the calls under way', async (t) => {
  const { client } = await given(t, { faults: { version: 'hang' } })
  const pending = errorOf(client.call('version', {}, 5_000))
  setTimeout(() => client.close(), 30)
  t.equal((await pending).isUnavailable, true)
})

const strangers: Record<string, { says: string | Buffer; message: RegExp }> = {
  'an HTTP/1 server': { says: 'HTTP/1.1 400 Bad Request\r\n\r\n', message: /no engine answers/ },
  noise: { says: Buffer.from('0123456789abcdef'.repeat(8), 'hex'), message: /no engine answers/ },
}

t.test('something else on the socket is no engine', async (t) => {
  for (const [name, { says, message }] of Object.entries(strangers)) {
    const folder = await folderOf(t)
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end(says)
    })
    await new Promise<void>((resolve) => server.listen(join(folder, 's.sock'), resolve))
    t.teardown(() => server.close())
    t.match((await errorOf(clientOf(t, join(folder, 's.sock')).call('version', {}, 2_000))).message, message, name)
  }
})

t.test('what images take on disk, once the engine has counted', async (t) => {
  const { engine, client } = await given(t)
  t.equal(await imageBytes(client), 5_000_000_000, 'more than 32 bits')
  engine.faults = { imageFsInfo: () => ({ imageFilesystems: [{ usedBytes: { value: 0n } }] }) }
  t.equal(await imageBytes(client), undefined)
})

t.test('waiting for an engine', async (t) => {
  await t.test('ends when it answers and is ready', async (t) => {
    const folder = await folderOf(t)
    const engine = new FakeEngine({ folder })
    t.teardown(() => engine.stop())
    engine.faults = { status: { code: 2, details: 'server is not initialized yet' } }
    setTimeout(() => void engine.start(), 100)
    setTimeout(() => {
      engine.faults = {}
    }, 250)
    const start = performance.now()
    const client = await waitForCri(engine.socket, { deadlineMs: 5_000, clock: systemClock })
    const took = performance.now() - start
    t.ok(took >= 240 && took < 1_500, `${took} ms`)
    t.equal((await client.call('version', {})).runtimeName, 'fake')
    client.close()
  })

  await t.test('gives up at the deadline and says what was wrong', async (t) => {
    const { engine } = await given(t, {
      faults: {
        status: (answer) => ({
          ...answer,
          status: { conditions: [{ type: 'RuntimeReady', status: false, reason: 'Broken', message: 'shim is away' }] },
        }),
      },
    })
    const unready = await errorOf(
      waitForCri(engine.socket, { deadlineMs: 1_500, clock: systemClock }) as Promise<unknown>,
    )
    t.match(unready.message, /not become ready within 1500 ms: Status: RuntimeReady is false: shim is away/)
    const none = await errorOf(waitForCri('/run/drydock-test/none.sock', { deadlineMs: 500, clock: systemClock }))
    t.match(none.message, /not become ready within 500 ms: Version: no engine answers .*ENOENT/)
  })

  await t.test('gives up at once when it serves no CRI', async (t) => {
    const { engine } = await given(t, {
      faults: { version: { code: 12, details: 'unknown service runtime.v1.RuntimeService' } },
    })
    const start = performance.now()
    const error = await errorOf(waitForCri(engine.socket, { deadlineMs: 10_000, clock: systemClock }))
    t.equal(error.isNotServed, true)
    t.ok(performance.now() - start < 2_000)
  })
})

t.test('removing all sandboxes', async (t) => {
  const options: RemoveOptions = { concurrency: 4, graceSeconds: 1, deadlineMs: 300, clock: systemClock }
  const withPods = async (t: Test, count: number): Promise<{ engine: FakeEngine; client: CriClient }> => {
    const { engine, client } = await given(t)
    for (let pod = 0; pod < count; pod++) {
      const { podSandboxId } = await client.call('runPodSandbox', { config: sandbox(`pod-${pod}`), runtimeHandler: '' })
      for (const state of [ContainerState.CONTAINER_RUNNING, ContainerState.CONTAINER_EXITED]) {
        const id = `${podSandboxId}-${state}`
        const container = { id, sandbox: engine.sandboxes.get(podSandboxId)!, pid: 1, state, hostFiles: [] }
        engine.containers.set(id, { ...container, config: { labels: {} } as never })
      }
    }
    engine.called.length = 0
    return { engine, client }
  }

  await t.test('stops what runs first and leaves nothing', async (t) => {
    const { engine, client } = await withPods(t, 10)
    t.same(await removeAllSandboxes(client, { ...options, concurrency: 1 }), { removed: 10, failed: [] })
    t.equal(engine.sandboxes.size + engine.containers.size, 0)
    const perPod = ['stopContainer', 'stopPodSandbox', 'removePodSandbox']
    const looks = Array.from({ length: 10 }, () => 'podSandboxStatus')
    t.same(engine.called, [
      'listPodSandbox',
      'listContainers',
      ...looks,
      ...Array.from({ length: 10 }, () => perPod).flat(),
    ])
  })

  await t.test('pods in the network of the host go last: the agents of networks are among them', async (t) => {
    const { engine, client } = await given(t)
    for (const [name, network] of [
      ['agent', NamespaceMode.NODE],
      ['proxy', NamespaceMode.NODE],
      ['logs', NamespaceMode.POD],
    ] as const) {
      const namespaceOptions = { network, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD }
      const config = { ...sandbox(name), linux: { cgroupParent: '', securityContext: { namespaceOptions } } }
      await client.call('runPodSandbox', { config, runtimeHandler: '' })
    }
    const left: string[] = []
    engine.faults = {
      removePodSandbox: (answer) => {
        left.push([...engine.sandboxes.values()].map(({ config }) => config.metadata?.name).join())
        return answer
      },
    }
    t.same(await removeAllSandboxes(client, options), { removed: 3, failed: [] })
    t.equal(left[0], 'agent,proxy', 'the pod of the network is the first to go')
  })

  await t.test('without a grace the sandbox’s own stop kills', async (t) => {
    const { engine, client } = await withPods(t, 3)
    t.same(await removeAllSandboxes(client, { ...options, graceSeconds: 0 }), { removed: 3, failed: [] })
    t.notOk(engine.called.includes('stopContainer'))
  })

  await t.test('a container that does not stop is left to the sandbox’s own stop', async (t) => {
    const { engine, client } = await withPods(t, 3)
    engine.faults = { stopContainer: { code: 2, details: 'busy' } }
    t.same(await removeAllSandboxes(client, options), { removed: 3, failed: [] })
  })

  await t.test('keeps what it is told to keep', async (t) => {
    const { engine, client } = await given(t)
    for (const tier of ['system', 'user', 'user']) {
      const config = sandbox(`pod-${engine.sandboxes.size}`, { tier })
      await client.call('runPodSandbox', { config, runtimeHandler: '' })
    }
    const keep = ({ labels }: { labels: Record<string, string> }): boolean => labels['tier'] === 'system'
    t.same(await removeAllSandboxes(client, { ...options, keep }), { removed: 2, failed: [] })
    t.equal(engine.sandboxes.size, 1)
  })

  await t.test('pods of before are known by their ids', async (t) => {
    const { engine, client } = await withPods(t, 2)
    const runtime = criRuntime(systemClock)
    const limit = { untilMs: systemClock.monotonicMs() + 5_000, signal: new AbortController().signal }
    const endpoint = `unix://${engine.socket}`
    const kept = await runtime.pods(endpoint, limit)
    await client.call('runPodSandbox', { config: sandbox('made-since'), runtimeHandler: '' })
    t.equal(await runtime.removePods(endpoint, limit, kept), 1)
    t.same([...engine.sandboxes.keys()], kept)
  })

  await t.test('a pod that resists is named and holds up no other', async (t) => {
    const { engine, client } = await given(t)
    for (const name of ['a', 'b', 'c'])
      await client.call('runPodSandbox', { config: sandbox(name), runtimeHandler: '' })
    const [, second] = [...engine.sandboxes.keys()]
    const stubborn = engine.sandboxes.get(second!)!
    engine.faults = {
      removePodSandbox: (answer) => {
        engine.sandboxes.set(second!, stubborn)
        return answer
      },
    }
    t.match(await removeAllSandboxes(client, options), { removed: 3 })
    engine.faults = { stopPodSandbox: { code: 2, details: 'cni plugin not found' } }
    const { removed, failed } = await removeAllSandboxes(client, options)
    t.equal(removed, 0)
    // What the last try before the deadline ends with depends on how busy the computer is.
    t.match(failed, [{ pod: 'default/b', message: /StopPodSandbox: / }])
  })

  await t.test('a removal that fails for a moment is tried again', async (t) => {
    const { engine, client } = await given(t)
    await client.call('runPodSandbox', { config: sandbox('a'), runtimeHandler: '' })
    engine.faults = { stopPodSandbox: { code: 2, details: 'container is in starting state' } }
    setTimeout(() => {
      engine.faults = {}
    }, 120)
    t.same(await removeAllSandboxes(client, { ...options, deadlineMs: 2_000 }), { removed: 1, failed: [] })
  })
})

t.test('images in use: by any of their names, and earlier ones that are still there', async (t) => {
  const none = new Uint8Array()
  const image = (id: string, ...repoTags: string[]) => ({
    ...Image.decode(none),
    id,
    size: 10n ** BigInt(id),
    repoTags,
    repoDigests: [`x@${id}`],
  })
  const { client } = await given(t, {
    faults: {
      listImages: () => ({ images: [image('1', 'b:1', 'b:latest'), image('2', 'a:1'), image('3', 'c:1'), image('4')] }),
      listContainers: () => ({ containers: ['1', 'x@4'].map((imageRef) => ({ ...Container.decode(none), imageRef })) }),
    },
  })
  t.same(await imagesInUse(client, []), { names: ['b:1', 'b:latest'], bytes: 10 }, 'one without a tag is not carried')
  t.same(await imagesInUse(client, ['c:1', 'gone:1']), { names: ['b:1', 'b:latest', 'c:1'], bytes: 1010 })
})
