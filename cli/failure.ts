/** Why there is no answer, as a sentence that a person can act on. Pure. */
import { ConnectionError, KubeError } from '../kube/errors.ts'

export const notInstalled =
  'Drydock is not installed in this cluster: helm install drydock charts/drydock --namespace drydock-system --create-namespace'

export const explain = (error: unknown): string => {
  if (error instanceof KubeError) return explainRefusal(error)
  if (error instanceof ConnectionError) return explainSilence(error.message)
  const { code, path, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' && path !== undefined) return `there is no ${path}: name a file that exists`
  return message ?? String(error)
}

const explainRefusal = ({ status, message, apiMessage }: KubeError): string => {
  switch (status) {
    case 401:
      return 'the API server does not accept the credentials of the kubeconfig: log in again, or name another one with --kubeconfig'
    case 403:
      return `${apiMessage}: ask for a role that may get and list it`
    default:
      return message
  }
}

/** Where client-node looks when it has found no kubeconfig at all. */
const fallback = 'localhost:8080'

const explainSilence = (message: string): string =>
  message.includes(fallback)
    ? `no API server at ${fallback}, which is tried when there is no kubeconfig: name one with --kubeconfig or $KUBECONFIG`
    : `the API server does not answer (${message}): check that the cluster is up and that the kubeconfig is the right one`
