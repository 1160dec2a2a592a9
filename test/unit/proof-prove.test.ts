import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../kube/clock.ts'
import { CriClient, type Request, type Response, type Rpc } from '../../node-agent/cri/client.ts'
import { ContainerState } from '../../node-agent/cri/gen/runtime.ts'
import type { Proof, ProofOptions } from '../../node-agent/proof/proof.ts'
import { prove } from '../../node-agent/proof/prove.ts'
import { FakeEngine, type FakeOptions, type Faults, type Leftover } from './cri-fake-engine.ts'

async function given(t: Test, options: Omit<FakeOptions, 'folder'> = {}): Promise<FakeEngine> {
  // Not t.testdir: the path of a socket has at most 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'drydock-cri-'))
  const engine = await new FakeEngine({ folder, ...options }).start()
  t.teardown(() => {
    engine.stop()
    rmSync(folder, { recursive: true })
  })
  return engine
}

let proofs = 0

/** Proofs that fail wait, for what might still come: side by side. */
const waiting = { buffered: true }
t.jobs = 7

async function proven(engine: FakeEngine, options: Partial<ProofOptions> = {}): Promise<Proof> {
  const client = options.client ?? new CriClient(engine.socket)
  const proof = await prove({
    client,
    handlers: [
      { name: 'runc', default: true },
      { name: 'crun', default: false },
    ],
    image: 'drydock.dev/agent:1',
    cgroupDriver: engine.options.driver ?? 'cgroupfs',
    cgroupVersion: engine.options.cgroupVersion ?? 'v1',
    kubeletDriver: engine.options.driver ?? 'cgroupfs',
    id: `p${proofs++}`,
    // Nothing here waits for their end but what hangs: a busy computer is to have time.
    timeoutMs: 30_000,
    cleanUpMs: 10_000,
    clock: systemClock,
    logDirectory: engine.logDirectory,
    paths: engine.paths,
    ...options,
  })
  client.close()
  return proof
}

const stepNames = [
  'RunPodSandbox',
  'PodSandboxStatus',
  'CreateContainer',
  'StartContainer',
  'ContainerStatus',
  'Cgroup',
  'ExecSync',
  'LogFile',
  'HTTP',
  'StopContainer',
  'RemoveContainer',
  'StopPodSandbox',
  'RemovePodSandbox',
  'NothingLeft',
]

t.test('a sound engine is proven and nothing is left', async (t) => {
  for (const driver of ['systemd', 'cgroupfs'] as const) {
    for (const cgroupVersion of ['v1', 'v2'] as const) {
      const engine = await given(t, { driver, cgroupVersion })
      const { verification, runtime, driver: drivers, calls } = await proven(engine)
      const name = `${driver} on ${cgroupVersion}`
      t.equal(verification.passed, true, `${name}: ${verification.message}`)
      t.equal(verification.message, undefined)
      t.same(runtime, { name: 'fake', version: '1.2.3' })
      t.same(drivers, { engine: driver, kubelet: driver })
      t.same(
        calls.map(({ name }) => name),
        ['Version', 'Status', 'RuntimeConfig', 'ImageStatus', 'CleanUp'],
      )
      for (const handler of verification.handlers ?? []) {
        t.same(
          handler.calls?.map(({ name }) => name),
          stepNames,
        )
        t.match(handler, { memoryLimitBytes: 134217728, podIP: /^127\.77\./ })
        t.match(handler.cgroupPath, driver === 'systemd' ? /^\/system\.slice\/.*\.scope$/ : /^\/drydock-proof\//)
      }
      t.same(engine.remains(), [], `${name} leaves nothing`)
    }
  }
})

t.test('the default handler is asked for without a name', async (t) => {
  const asked: string[] = []
  const engine = await given(t, { spoil: (_, { sandbox }) => asked.push(sandbox.handler) })
  await proven(engine)
  t.same(asked.sort(), ['', 'crun'])
})

t.test('an engine that reports neither handlers nor a driver is proven all the same', async (t) => {
  const engine = await given(t, {
    faults: {
      status: (answer) => ({ ...answer, runtimeHandlers: [] }),
      runtimeConfig: { code: 12, details: 'unknown method RuntimeConfig for service runtime.v1.RuntimeService' },
    },
  })
  const { verification, driver } = await proven(engine)
  t.equal(verification.message, undefined)
  t.equal(verification.passed, true)
  t.same(driver, { kubelet: 'cgroupfs' })
})

const refused: Record<string, { faults: Faults; message: RegExp }> = {
  'an engine without its CRI plugin': {
    faults: { version: { code: 12, details: 'unknown service runtime.v1.RuntimeService' } },
    message: /^Version: the engine at .* runs but serves no CRI .*disabled_plugins/,
  },
  'a pod network that is not ready': {
    faults: {
      status: ({ status, runtimeHandlers }) => ({
        status: {
          conditions: [
            ...status!.conditions.slice(0, 1),
            {
              type: 'NetworkReady',
              status: false,
              reason: 'NetworkPluginNotReady',
              message: 'Network plugin returns error: cni plugin not initialized',
            },
          ],
        },
        runtimeHandlers,
      }),
    },
    message:
      /^Status: NetworkReady is not true: .*cni plugin not initialized \(there is no valid network configuration/,
  },
  'a handler that was not loaded': {
    faults: { status: (answer) => ({ ...answer, runtimeHandlers: [{ name: '' }, { name: 'runc' }] }) },
    message: /^Status: the engine did not load handler crun; it has runc$/,
  },
  'another cgroup driver than wanted': {
    faults: { runtimeConfig: () => ({ linux: { cgroupDriver: 0 } }) },
    message: /^RuntimeConfig: the engine uses cgroup driver systemd, but cgroupfs is wanted/,
  },
  'a missing image': {
    faults: { imageStatus: () => ({}) },
    message: /^ImageStatus: image drydock\.dev\/agent:1 is not on the node/,
  },
  'a pod without an address': {
    faults: { podSandboxStatus: (answer) => ({ status: { ...answer.status!, network: { ip: '' } } }) },
    message: /^handler runc: PodSandboxStatus: the pod has no address/,
  },
  'a container that ended': {
    faults: {
      containerStatus: (answer) => ({
        ...answer,
        status: {
          ...answer.status!,
          state: ContainerState.CONTAINER_EXITED,
          exitCode: 127,
          reason: 'Error',
          message: 'no libc',
        },
      }),
    },
    message: /^handler runc: ContainerStatus: the container does not run \(exit code 127, Error: no libc\)/,
  },
  'a slice for an engine that takes none': {
    faults: {
      runPodSandbox: {
        code: 2,
        details: 'cri-o configured with cgroupfs cgroup manager, but received systemd slice as parent: system.slice',
      },
    },
    message: /^handler runc: RunPodSandbox: .*\(the engine uses cgroup driver cgroupfs where systemd was expected\)/,
  },
  'a command that fails': {
    faults: { execSync: (answer) => ({ ...answer, exitCode: 1, stderr: Buffer.from('no such file\n') }) },
    message: /^handler runc: ExecSync: the command ended with exit code 1: no such file/,
  },
  'a command in the wrong place': {
    faults: { execSync: (answer) => ({ ...answer, stdout: Buffer.from('/pause') }) },
    message: /^handler runc: ExecSync: the command printed "\/pause" where p\d+ was due/,
  },
  'the other driver’s cgroup': {
    faults: {
      runPodSandbox: {
        code: 2,
        details: 'runc create failed: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups',
      },
    },
    message:
      /^handler runc: RunPodSandbox: the engine said: runc create failed.*\(the engine uses cgroup driver systemd/,
  },
}

t.test('what is wrong is said, and nothing is left', waiting, async (t) => {
  await Promise.all(
    Object.entries(refused).map(async ([name, { faults, message }]) => {
      const engine = await given(t, { faults })
      const { verification } = await proven(engine)
      t.equal(verification.passed, false, name)
      t.match(verification.message, message, name)
      t.same(engine.remains(), [], `${name}: nothing left`)
    }),
  )
})

const spoiled: Record<string, { spoil: NonNullable<FakeOptions['spoil']>; message: RegExp; faults?: Faults }> = {
  'a container without a process': {
    faults: { containerStatus: (answer) => ({ ...answer, info: {} }) },
    spoil: (engine, container) =>
      engine.hostFile(container, `proc/${container.pid}/cgroup`, '5:memory:/other\n4:cpu:/other\n'),
    message: /ContainerStatus: neither the engine nor the kernel names a process of the container/,
  },
  'a cgroup of another form': {
    spoil: (engine, container) =>
      engine.hostFile(container, `proc/${container.pid}/cgroup`, '5:memory:/container\n4:cpu:/container\n'),
    message: /Cgroup: the container is in cgroup \/container, which the cgroup driver cgroupfs would not make/,
  },
  'no memory controller': {
    spoil: (engine, container) => engine.hostFile(container, `proc/${container.pid}/cgroup`, '1:name=systemd:/x\n'),
    message: /Cgroup: process \d+ of the container is in no cgroup v1 with memory and cpu/,
  },
  'a limit that the kernel does not have': {
    spoil: (engine, { id }) =>
      writeFileSync(
        join(engine.paths.cgroup, `memory/drydock-proof/${id}/memory.limit_in_bytes`),
        '9223372036854771712\n',
      ),
    message: /Cgroup: the kernel has memory\.limit_in_bytes = 9223372036854771712 .* 134217728 was asked for/,
  },
  'a processor that is not limited': {
    spoil: (engine, { id }) =>
      writeFileSync(join(engine.paths.cgroup, `cpu/drydock-proof/${id}/cpu.cfs_quota_us`), '-1\n'),
    message: /Cgroup: the kernel has cpu\.cfs_quota_us = -1 .* 100000 was asked for/,
  },
  'no log file': {
    spoil: (_, { sandbox, config }) => rmSync(join(sandbox.config.logDirectory, config.logPath)),
    message: /LogFile: the engine wrote no log file .*drydock-proof_runc_p\d+\/proof\.log/,
  },
  'a log in a format of its own': {
    spoil: (_, { sandbox, config }) =>
      writeFileSync(join(sandbox.config.logDirectory, config.logPath), '{drydock proof is listening}\n'),
    message: /LogFile: .* has no line of the container in a format that the kubelet reads; it begins "\{/,
  },
  'a line that went to stderr': {
    spoil: (_, { sandbox, config }) => {
      const log = `drydock proof ${config.command.at(-1)} is listening\n`
      writeFileSync(join(sandbox.config.logDirectory, config.logPath), JSON.stringify({ log, stream: 'stderr' }))
    },
    message: /LogFile: .* has no line of the container/,
  },
  'a pod that does not answer': {
    spoil: (_, { http }) => void http?.close(),
    message: /HTTP: the pod did not answer at http:\/\/127\.77\.\d+\.\d+:8080: connect ECONNREFUSED/,
  },
  'somebody else who answers': {
    spoil: (_, { http }) => http?.removeAllListeners('request').on('request', (_, response) => response.end('hello')),
    message: /HTTP: the pod did not answer at .*: hello/,
  },
}

t.test('what host and network show is believed, not the engine', waiting, async (t) => {
  await Promise.all(
    Object.entries(spoiled).map(async ([name, { spoil, message, faults = {} }]) => {
      const engine = await given(t, { spoil, faults })
      const { verification } = await proven(engine)
      t.equal(verification.passed, false, name)
      t.match(verification.message, message, name)
      t.same(engine.remains(), [], `${name}: nothing left`)
    }),
  )
})

t.test('crun’s child of the scope counts as the scope', waiting, async (t) => {
  const engine = await given(t, {
    driver: 'systemd',
    spoil: (engine, container) => {
      const path = `/system.slice/cri-fake-${container.id}.scope/container`
      engine.hostFile(container, `proc/${container.pid}/cgroup`, `5:memory:${path}\n4:cpu:${path}\n`)
      engine.hostFile(container, `cgroup/memory${path}/memory.limit_in_bytes`, '9223372036854771712\n')
      engine.hostFile(container, `cgroup/cpu${path}/cpu.cfs_quota_us`, '-1\n')
      engine.hostFile(container, `cgroup/cpu${path}/cpu.cfs_period_us`, '100000\n')
    },
  })
  const { verification } = await proven(engine)
  t.equal(verification.message, undefined)
  t.equal(verification.passed, true)
  t.match(verification.handlers?.[0]?.cgroupPath, /\.scope\/container$/)
})

t.test('Docker behind cri-dockerd: no pid, a scope of its name, and a log of its own', waiting, async (t) => {
  const engine = await given(t, {
    driver: 'systemd',
    faults: {
      version: () => ({ runtimeName: 'docker', runtimeVersion: '26.1.5' }),
      containerStatus: (answer) => ({ ...answer, info: {} }),
      status: (answer) => ({ ...answer, runtimeHandlers: [{ name: '' }, { name: 'runc' }, { name: 'crun' }] }),
    },
    spoil: (engine, container) => {
      const { sandbox, config, id } = container
      const path = `/system.slice/docker-${id}.scope`
      engine.hostFile(container, `proc/${container.pid}/cgroup`, `5:memory:${path}\n4:cpu:${path}\n`)
      engine.hostFile(container, `cgroup/memory${path}/memory.limit_in_bytes`, '134217728\n')
      engine.hostFile(container, `cgroup/cpu${path}/cpu.cfs_quota_us`, '100000\n')
      engine.hostFile(container, `cgroup/cpu${path}/cpu.cfs_period_us`, '100000\n')
      const log = `drydock proof ${config.command.at(-1)} is listening\n`
      const line = { log, stream: 'stdout', time: '2026-11-21T10:00:00.1Z' }
      engine.hostFile(container, `docker/${id}-json.log`, `${JSON.stringify(line)}\n`)
      const link = join(sandbox.config.logDirectory, config.logPath)
      rmSync(link)
      symlinkSync(join(engine.options.folder, `docker/${id}-json.log`), link)
    },
  })
  const { verification, runtime } = await proven(engine)
  t.equal(verification.message, undefined)
  t.equal(verification.passed, true)
  t.match(verification.handlers?.[0]?.cgroupPath, /^\/system\.slice\/docker-\w+\.scope$/)
  t.same(runtime, { name: 'docker', version: '26.1.5' })
  t.same(engine.remains(), [])
})

t.test('CRI-O under cgroupfs: a cgroup of its name, and crun’s child in it', waiting, async (t) => {
  const engine = await given(t, {
    cgroupVersion: 'v2',
    spoil: (engine, container) => {
      const path = `/drydock-proof/crio-${container.id}`
      engine.hostFile(container, `proc/${container.pid}/cgroup`, `0::${path}/container\n`)
      for (const [file, text] of [
        ['memory.max', '134217728\n'],
        ['cpu.max', '100000 100000\n'],
      ] as const) {
        engine.hostFile(container, `cgroup${path}/${file}`, text)
        engine.hostFile(container, `cgroup${path}/container/${file}`, 'max\n')
      }
    },
  })
  const { verification } = await proven(engine)
  t.equal(verification.message, undefined)
  t.match(verification.handlers?.[0]?.cgroupPath, /^\/drydock-proof\/crio-\w+\/container$/)
  t.same(engine.remains(), [])
})

const leftovers: Record<Leftover, RegExp> = {
  sandbox: /NothingLeft: the engine still has sandbox \w+ after it was removed/,
  container: /NothingLeft: the engine still has container \w+ after it was removed/,
  cgroup: /NothingLeft: cgroup .*\/memory\/drydock-proof\/\w+ is left after the pod was removed/,
  netns: /NothingLeft: network namespace cni-\w+ is left after the pod was removed/,
}

t.test('what an engine leaves behind is found', waiting, async (t) => {
  await Promise.all(
    Object.entries(leftovers).map(async ([leaves, message]) => {
      const engine = await given(t, { leaves: leaves as Leftover })
      const { verification } = await proven(engine)
      t.equal(verification.passed, false, leaves)
      t.match(verification.message, message, leaves)
    }),
  )
})

const engineCalls = ['version', 'status', 'runtimeConfig', 'imageStatus'] as const
const podCalls = [
  'runPodSandbox',
  'podSandboxStatus',
  'createContainer',
  'startContainer',
  'containerStatus',
  'execSync',
  'stopContainer',
  'removeContainer',
  'stopPodSandbox',
  'removePodSandbox',
] as const
/** Without these nothing can be removed: the next proof has to. */
const removals: readonly string[] = ['stopPodSandbox', 'removePodSandbox']

const failures = {
  hang: /: the engine at \S+ gave no answer within \d+ ms|no answer within/,
  garbage: /an answer that is no message of CRI v1/,
  refuse: /the engine said: no space left on device/,
} as const

t.test('each call that hangs, is refused or answers garbage fails the proof by its name', waiting, async (t) => {
  const cases = [...engineCalls, ...podCalls].flatMap((rpc) =>
    (Object.keys(failures) as (keyof typeof failures)[]).map((kind) => ({ rpc, kind })),
  )
  const judge = async ({ rpc, kind }: (typeof cases)[number]): Promise<unknown> => {
    const fault = kind === 'refuse' ? { code: 2, details: 'no space left on device' } : kind
    const engine = await given(t, { faults: { [rpc]: fault } })
    const { verification } = await proven(engine, kind === 'hang' ? { timeoutMs: 5_000, cleanUpMs: 1_500 } : {})
    const name = `${rpc} ${kind}`
    const step = `${rpc.slice(0, 1).toUpperCase()}${rpc.slice(1)}`
    t.equal(verification.passed, false, name)
    t.match(verification.message, new RegExp(`${step}: `), name)
    t.match(verification.message, failures[kind], name)
    if (!removals.includes(rpc)) return t.same(engine.remains(), [], `${name}: nothing left`)
    t.match(verification.message, /its pod could not be removed, the next proof tries again/, name)
    engine.faults = {}
    const next = await proven(engine)
    t.equal(next.verification.passed, true, `${name}, then: ${next.verification.message}`)
    return t.same(engine.remains(), [], `${name}, then: nothing left`)
  }
  const [hanging, answering] = [
    cases.filter(({ kind }) => kind === 'hang'),
    cases.filter(({ kind }) => kind !== 'hang'),
  ]
  const work = async (): Promise<void> => {
    for (let one = answering.shift(); one; one = answering.shift()) await judge(one)
  }
  // Who hangs only waits. All others at once would take each other's time.
  await Promise.all([...hanging.map(judge), ...Array.from({ length: 4 }, work)])
})

/** Ends like a process that is killed: after so many calls no other leaves it. */
class MortalClient extends CriClient {
  #left: number

  constructor(socket: string, calls: number) {
    super(socket)
    this.#left = calls
  }

  override call<R extends Rpc>(rpc: R, request: Request<R>, deadlineMs?: number): Promise<Response<R>> {
    return this.#left-- > 0 ? super.call(rpc, request, deadlineMs) : Promise.reject(new Error('killed'))
  }
}

t.test('a proof that is killed between any two calls is cleaned up by the next', async (t) => {
  const handlers = [{ name: 'runc', default: true }]
  const whole = await given(t)
  await proven(whole, { handlers })
  t.ok(whole.called.length >= 16)
  await Promise.all(
    Array.from(whole.called, async (_, calls) => {
      const engine = await given(t)
      const killed = await proven(engine, { handlers, client: new MortalClient(engine.socket, calls) })
      t.equal(killed.verification.passed, false, `killed after ${calls}`)
      const next = await proven(engine, { handlers })
      t.equal(next.verification.passed, true, `after ${calls}: ${next.verification.message}`)
      t.same(engine.remains(), [], `killed after ${calls} calls: nothing left`)
    }),
  )
})

t.test('the kubelet’s driver must be the engine’s', async (t) => {
  const engine = await given(t)
  const { verification } = await proven(engine, { kubeletDriver: 'systemd' })
  t.match(verification.message, /RuntimeConfig: the kubelet is set to cgroup driver systemd and the engine to cgroupfs/)
  t.notOk(engine.called.includes('runPodSandbox'), 'no pod is tried')
})

t.test('an engine that is not there is said to be not there', async (t) => {
  const engine = await given(t)
  engine.stop()
  const { verification } = await proven(engine)
  t.match(verification.message, /^Version: no engine answers at .*cri\.sock \(.*(ENOENT|ECONNREFUSED)/)
})
