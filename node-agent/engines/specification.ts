/** The version of the OCI runtime specification that an engine gives its containers, and programs that do not take it. */
import type { Host, Ran } from '../host/host.ts'
import type { OciRuntime, Refusal } from './engine.ts'
import { programTimeoutMs } from './programs.ts'

/** Not through standard input: a program cannot open the socket that it is. */
const question = '/run/drydock-question.json'

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
  const ran = await asked(host, path, { ociVersion })
  if (!ran?.stderr.includes('unknown version specified')) return undefined
  return {
    reason: 'RuntimeTooOld',
    message: `handler "${handler}": ${path} is crun ${version}, which does not take containers of ${engine} (version ${ociVersion} of the OCI runtime specification): write spec.handlers[].archive with a newer crun, or install one`,
  }
}

/** Undefined when the program cannot be asked. */
async function asked(host: Host, program: string, container: object): Promise<Ran | undefined> {
  const argv = [program, 'create', '--config', question, 'drydock-question']
  try {
    await host.replaceFile(question, Buffer.from(JSON.stringify(container)))
    return await host.run(argv, { timeoutMs: programTimeoutMs }).catch(() => undefined)
  } finally {
    await host.removeFile(question)
  }
}
