// What can go wrong between us and the API server, and questions to ask of it.

export interface StatusCause {
  readonly reason?: string
  readonly message?: string
  readonly field?: string
}

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterSeconds?: number
}

/** The API server answered, and the answer is no. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  /** HTTP status; for an ERROR event of a watch the code inside it. */
  readonly status: number
  /** The machine-readable reason of the Status object ("Conflict"); empty when the answer was none. */
  readonly reason: string
  /** The sentence of the API server, without the request that it answers. */
  readonly apiMessage: string
  readonly details: StatusDetails
  readonly retryAfterSeconds: number | undefined

  constructor(request: string, answer: { status: number; body?: unknown; retryAfter?: string | undefined }) {
    const body = asStatus(answer.body)
    const apiMessage = body.message || `${unexplained(answer.status)}${excerpt(answer.body)}`
    super(`${request}: ${apiMessage}`)
    this.status = answer.status
    this.reason = body.reason ?? ''
    this.apiMessage = apiMessage
    this.details = body.details ?? {}
    this.retryAfterSeconds = seconds(answer.retryAfter) ?? this.details.retryAfterSeconds
  }
}

/** No complete answer arrived: refused, reset, timed out or cut short. The request may have been carried out. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** Trying again cannot help until somebody changes something: a controller logs and counts it, and does not retry. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError'
}

export const isNotFound = (error: unknown): boolean => hasStatus(error, 404)
/** The object changed since it was read, or a precondition does not hold. */
export const isConflict = (error: unknown): boolean => hasStatus(error, 409) && !isAlreadyExists(error)
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists'
/** The resource version or continue token is older than what the server still knows: list again. */
export const isGone = (error: unknown): boolean => hasStatus(error, 410)
export const isTooManyRequests = (error: unknown): boolean => hasStatus(error, 429)
export const isForbidden = (error: unknown): boolean => hasStatus(error, 403)
/** The API server refused the content: schema, CEL rule or admission. */
export const isInvalid = (error: unknown): boolean => hasStatus(error, 422) || hasStatus(error, 400)

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status
}

function asStatus(body: unknown): { message?: string; reason?: string; details?: StatusDetails } {
  const isStatus = typeof body === 'object' && body !== null && (body as { kind?: unknown }).kind === 'Status'
  return isStatus ? body : {}
}

/** A success that is none: the login page of a proxy comes with 200. */
const unexplained = (status: number): string =>
  status < 400 ? 'what answered is no API server, but a proxy or a page' : `the API server answered ${status}`

/** Proxies and load balancers answer with text: its beginning tells who spoke. */
function excerpt(body: unknown): string {
  return typeof body === 'string' && body.trim() !== '' ? `: ${body.trim().slice(0, 200)}` : ''
}

function seconds(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined
}
