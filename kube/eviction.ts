// What the answer of the eviction subresource means for the pod.
import {
  ConnectionError,
  isConflict,
  isForbidden,
  isInvalid,
  isNotFound,
  isTooManyRequests,
  KubeError,
} from './errors.ts'

export interface EvictionRequest {
  readonly namespace: string
  readonly name: string
  /** Only this pod: a StatefulSet gives the same name to the next one. */
  readonly uid: string
  /** Absent: what the pod itself asks for. */
  readonly gracePeriodSeconds?: number
}

export type EvictionOutcome =
  /** Accepted, or the pod is gone already. It may still be terminating. */
  | { readonly evicted: true }
  | {
      readonly evicted: false
      /** Whether asking again later can succeed without anybody changing an object. */
      readonly retryable: boolean
      readonly reason:
        | 'DisruptionBudget'
        | 'TooManyRequests'
        | 'MultipleDisruptionBudgets'
        | 'Conflict'
        | 'Denied'
        | 'ServerError'
      /** The sentence of the API server; for a disruption budget it names the budget. */
      readonly message: string
      readonly retryAfterSeconds?: number
    }

/** The body of the eviction request. */
export function evictionOf({ namespace, name, uid, gracePeriodSeconds }: EvictionRequest): object {
  return {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { namespace, name },
    deleteOptions: { preconditions: { uid }, ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }) },
  }
}

/** Reads a refusal; undefined when it says nothing about this pod (credentials, our own end): the error is the caller's. */
export function evictionOutcome(error: unknown): EvictionOutcome | undefined {
  if (isNotFound(error)) return { evicted: true }
  if (error instanceof ConnectionError) {
    return { evicted: false, retryable: true, reason: 'ServerError', message: error.message }
  }
  if (!(error instanceof KubeError)) return undefined
  if (isTooManyRequests(error)) return tooManyRequests(error)
  if (isConflict(error)) return { evicted: false, retryable: true, reason: 'Conflict', message: error.apiMessage }
  if (error.status >= 500) return serverError(error)
  // An admission webhook that guards this pod answers with any of these.
  if (isForbidden(error) || isInvalid(error)) {
    return { evicted: false, retryable: false, reason: 'Denied', message: error.apiMessage }
  }
  return undefined
}

function tooManyRequests(error: KubeError): EvictionOutcome {
  const budget = error.details.causes?.find(({ reason }) => reason === 'DisruptionBudget')
  return {
    evicted: false,
    retryable: true,
    reason: budget ? 'DisruptionBudget' : 'TooManyRequests',
    message: budget?.message || error.apiMessage,
    ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
  }
}

function serverError(error: KubeError): EvictionOutcome {
  const isMultiple = /more than one PodDisruptionBudget/.test(error.apiMessage)
  return {
    evicted: false,
    retryable: !isMultiple,
    reason: isMultiple ? 'MultipleDisruptionBudgets' : 'ServerError',
    message: error.apiMessage,
  }
}
