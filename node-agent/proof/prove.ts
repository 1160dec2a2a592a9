/** Proves an engine by pods that it makes through CRI. */
import { rm } from 'node:fs/promises'
import { rfc3339 } from '../../kube/clock.ts'
import type { CriClient } from '../cri/client.ts'
import { removeCgroup, removeProof } from './clean-up.ts'
import { engineSteps } from './engine-steps.ts'
import { withHint } from './hints.ts'
import { labelsOf, sandboxConfig } from './pod.ts'
import type {
  Call,
  EngineProof,
  HandlerProof,
  Proof,
  ProofHandler,
  ProofOptions,
  Step,
  Timing,
  Verification,
} from './proof.ts'
import { handlerSteps } from './steps.ts'

type HandlerResult = NonNullable<Verification['handlers']>[number]

/** No call of a proof needs longer; one that hangs must leave time to say so and to clean up. */
const longestCallMs = 30_000
/** Bound of `message` in the API. */
const longestMessage = 2048

/**
 * Asks the engine about itself, then runs one pod a handler, all at the same time, and looks at each from the engine's, the
 * kernel's and the network's side. Never rejects: what fails is said in `verification.message`.
 *
 * The caller stops the kubelet around it: a kubelet removes pods that it does not know within two seconds.
 * Whatever happens, everything that was made is removed again; what a killed proof leaves, the next one removes first.
 */
export async function prove(options: ProofOptions): Promise<Proof> {
  const { clock, client, timeoutMs, kubeletDriver } = options
  const time = rfc3339(clock.now())
  const start = clock.monotonicMs()
  const remainingMs = (): number => Math.max(1, start + timeoutMs - clock.monotonicMs())
  const call = boundedCall(client, remainingMs)
  const engine: EngineProof = { options, call, remainingMs, found: {} }
  const before = await runSteps(engineSteps, engine)
  const handlers = before.failure
    ? []
    : await Promise.all(options.handlers.map((handler) => proveHandler(options, handler, { call, remainingMs })))
  const failures = [
    before.failure,
    ...handlers.filter(({ passed }) => !passed).map(({ name, message }) => `handler ${name}: ${message}`),
    before.failure ? undefined : await removeCgroup(options).then(() => undefined, sentence),
  ].filter((failure) => failure !== undefined)
  const { runtime, driver } = engine.found
  return {
    verification: {
      passed: failures.length === 0,
      ...(failures.length > 0 && { message: failures.join('; ').slice(0, longestMessage) }),
      time,
      durationMilliseconds: Math.round(clock.monotonicMs() - start),
      ...(runtime && { engineName: runtime.name, engineVersion: runtime.version }),
      handlers,
    },
    ...(runtime && { runtime }),
    driver: { ...(driver && { engine: driver }), ...(kubeletDriver && { kubelet: kubeletDriver }) },
    calls: before.calls,
  }
}

function boundedCall(client: CriClient, remainingMs: () => number): Call {
  return (rpc, request) => client.call(rpc, request, Math.min(longestCallMs, remainingMs()))
}

async function proveHandler(
  options: ProofOptions,
  handler: ProofHandler,
  bounds: Pick<HandlerProof, 'call' | 'remainingMs'>,
): Promise<HandlerResult> {
  const { clock, id, cleanUpMs } = options
  const start = clock.monotonicMs()
  const sandbox = sandboxConfig(options, handler)
  const found: HandlerProof['found'] = { sandboxId: '', containerId: '', podIP: '', pid: 0 }
  const { calls, failure } = await runSteps(handlerSteps, { options, handler, sandbox, found, ...bounds })
  const leftover = failure && (await cleanUp())
  const message = [failure, leftover].filter(Boolean).join('; ')
  return {
    name: handler.name,
    passed: !failure,
    ...(message && { message: message.slice(0, longestMessage) }),
    durationMilliseconds: Math.round(clock.monotonicMs() - start),
    ...(found.cgroup && { cgroupPath: found.cgroup.path, memoryLimitBytes: found.cgroup.memoryLimitBytes }),
    ...(found.podIP && { podIP: found.podIP }),
    calls: [...calls],
  }

  async function cleanUp(): Promise<string | undefined> {
    try {
      await removeProof(options, labelsOf(id, handler), cleanUpMs)
      await rm(sandbox.logDirectory, { recursive: true, force: true })
      return undefined
    } catch (error) {
      return `its pod could not be removed, the next proof tries again (${(error as Error).message})`
    }
  }
}

/** Runs steps in their order until one fails, and says how long each took. */
async function runSteps<S extends { readonly options: ProofOptions }>(
  steps: readonly Step<S>[],
  subject: S,
): Promise<{ calls: readonly Timing[]; failure?: string }> {
  const { clock } = subject.options
  const calls: Timing[] = []
  for (const step of steps) {
    const start = clock.monotonicMs()
    const failure = await step.run(subject).then(() => undefined, sentence)
    calls.push({ name: step.name, milliseconds: Math.round(clock.monotonicMs() - start) })
    if (failure !== undefined) return { calls, failure: `${step.name}: ${withoutName(failure, step.name)}` }
  }
  return { calls }
}

const sentence = (error: Error): string => withHint(error.message)

/** Errors of calls name the call themselves. */
const withoutName = (message: string, name: string): string =>
  message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message
