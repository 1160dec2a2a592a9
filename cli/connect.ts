/** The way to the cluster. The kubeconfig library is loaded only now: it takes longer than all else of a short command. */
import { KubeClient } from '../kube/client.ts'
import { isNotFound } from '../kube/errors.ts'
import type { KubeObject, ListOptions, ResourceType } from '../kube/resource.ts'
import { notInstalled } from './failure.ts'
import { version } from './version.ts'

/** A person waits: one more try after a lost connection, and no long silence. */
const requestTimeoutMs = 15_000
const retry = { attempts: 2, baseMs: 200, capMs: 500 }

export const connect = async (kubeconfig: string | undefined): Promise<KubeClient> => {
  const { kubeconfigTransport } = await import('../kube/kubeconfig.ts')
  const userAgent = `drydock/${version()}`
  try {
    return new KubeClient(kubeconfigTransport(kubeconfig), { requestTimeoutMs, retry, userAgent })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw error
    // The parser's message goes on with an excerpt, which may show a secret.
    throw new Error(`the kubeconfig cannot be used: ${message.split('\n')[0]}`, { cause: error })
  }
}

export type Lister = Pick<KubeClient, 'list'>

/** Objects of one of Drydock's own kinds. Throws a sentence when the cluster does not know the kind. */
export const listOurs = async <T extends KubeObject>(
  client: Lister,
  type: ResourceType,
  options: ListOptions = {},
): Promise<T[]> => {
  const items = await listIfInstalled<T>(client, type, options)
  if (items === undefined) throw new Error(notInstalled)
  return items
}

/** The same, or undefined when the cluster does not know the kind. */
export const listIfInstalled = async <T extends KubeObject>(
  client: Lister,
  type: ResourceType,
  options: ListOptions = {},
): Promise<T[] | undefined> => {
  try {
    return (await client.list<T>(type, options)).items
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

export const named = (name: string): ListOptions => ({ fieldSelector: `metadata.name=${name}` })
