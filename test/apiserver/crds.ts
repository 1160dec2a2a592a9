/** Puts Drydock's CRDs into an API server. */
import { crd, crdName, resources } from '../../crds/crd.ts'
import { waitFor } from '../cluster/progress.ts'
import type { ApiServer } from './server.ts'

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** Resolves when all three kinds are served. Throws with the API server's sentence when it refuses one. */
export async function installCrds(server: ApiServer): Promise<void> {
  for (const resource of resources) {
    const { status, body } = await server.request(definitions, { method: 'POST', body: crd(resource) })
    if (status !== 201) throw new Error(`${crdName(resource)}: ${body.message}`)
  }
  for (const { plural } of resources) {
    await waitFor(
      plural,
      async () => {
        const { status } = await server.request(`/apis/drydock.dev/v1alpha1/${plural}`)
        return status === 200 ? undefined : `HTTP ${status}`
      },
      { timeout: 20_000, every: 50 },
    )
  }
}
