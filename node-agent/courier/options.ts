import { parseArgs } from 'node:util'
import { engineSocket } from '../../crds/protocol.ts'

export interface Options {
  readonly node: string
  readonly image: string
  readonly engineSocket: string
  readonly handover: string
  /** Folder with the files `token` and `ca.crt`. */
  readonly tokenFolder: string
  readonly api: { readonly host: string; readonly port: number }
}

export const help = `drydock courier: carries orders from the API to the node engine, and its answers back.

  --node NAME            the node, and its NodeRuntime (required)
  --image NAME           the agent's own image, which the engine proves with (required)
  --engine-socket PATH   where the engine listens (${engineSocket})
  --handover FOLDER      what the installer left (/run/drydock-installer)
  --token-folder FOLDER  token and ca.crt of the service account (/var/run/secrets/kubernetes.io/serviceaccount)
  --help

The API server is the one that KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name, as in every pod.
`

/** Undefined when help was asked for. Throws a sentence for what is missing or is no option. */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      node: { type: 'string' },
      image: { type: 'string' },
      'engine-socket': { type: 'string', default: engineSocket },
      handover: { type: 'string', default: '/run/drydock-installer' },
      'token-folder': { type: 'string', default: '/var/run/secrets/kubernetes.io/serviceaccount' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  if (!values.node) throw new Error('--node is missing: name the node that this pod is on')
  if (!values.image) throw new Error('--image is missing: name the image that this pod runs')
  const host = env['KUBERNETES_SERVICE_HOST']
  if (!host) throw new Error('KUBERNETES_SERVICE_HOST is not set: the courier runs in a pod of a cluster')
  return {
    node: values.node,
    image: values.image,
    engineSocket: values['engine-socket'],
    handover: values.handover,
    tokenFolder: values['token-folder'],
    api: { host, port: Number(env['KUBERNETES_SERVICE_PORT'] ?? 443) },
  }
}
