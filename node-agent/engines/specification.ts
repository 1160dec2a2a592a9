/** The version of the OCI runtime specification that an engine gives its containers, and programs that do not take it. */
import type { Host } from '../host/host.ts'
import type { OciRuntime, Refusal } from './engine.ts'
import { programTimeoutMs } from './programs.ts'

export interface Pairing {
  readonly handler: string
  readonly runtime: OciRuntime
  /** With its version, for people. */
  readonly engine: string
  /** Undefined where it cannot be told: then nothing is refused. */
  readonly specification: () => Promise<string | undefined>
}

/**
 * crun up to 1.8.1 takes no container of a version that it does not know. Neither its `--version` nor its `features` tells,
 * newer ones name the same versions and take any: so it is asked to make a container that has nothing but a version. None of
 * them makes it, and the version is what all of them look at first.
 */
export async function refusedBySpecification(
  host: Host,
  { handler, runtime, engine, specification }: Pairing,
): Promise<Refusal | undefined> {
  const { kind, path, version } = runtime
  const ociVersion = kind === 'crun' ? await specification() : undefined
  if (ociVersion === undefined) return undefined
  const input = JSON.stringify({ ociVersion })
  const ran = await host
    .run([path, 'create', '--config', '/dev/stdin', 'drydock-question'], { timeoutMs: programTimeoutMs, input })
    .catch(() => undefined)
  if (!ran?.stderr.includes('unknown version specified')) return undefined
  return {
    reason: 'RuntimeTooOld',
    message: `handler "${handler}": ${path} is crun ${version}, which does not take containers of ${engine} (version ${ociVersion} of the OCI runtime specification): write spec.handlers[].archive with a newer crun, or install one`,
  }
}
