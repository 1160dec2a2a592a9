import { type DestinationStream, type Logger, pino } from 'pino'
import type { Log } from './log.ts'

/** Credentials must not reach a log even when a caller passes a whole object that carries them. */
const secrets = ['token', 'password', 'authorization', 'auth']

export interface PinoLogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Default: standard output, written synchronously so that the last line before a crash is there. */
  readonly destination?: DestinationStream
}

/** JSON lines `{time, level, msg, ...fields}` on one stream, without worker threads. */
export function pinoLog({ level, destination = pino.destination({ fd: 1, sync: true }) }: PinoLogOptions): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
    redact: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  }
  return adapt(pino(options, destination))
}

function adapt(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    with: (fields) => adapt(logger.child(fields)),
  }
}
