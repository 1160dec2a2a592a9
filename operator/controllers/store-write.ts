/** Writes that hold only if nobody else wrote in between. */
import type { KubeClient } from '../../kube/client.ts'
import { isConflict, isNotFound } from '../../kube/errors.ts'
import type { KubeObject, ResourceType } from '../../kube/resource.ts'
import type { Store } from './store.ts'

/** An object and the store that has it. */
export interface Place<T extends KubeObject> {
  readonly type: ResourceType
  readonly store: Store<T>
  readonly name: string
}

/** Writes on what was planned with. When that has changed or is gone, nothing is written and the object is read anew. */
export async function atVersion<T extends KubeObject>(
  client: Pick<KubeClient, 'get'>,
  { type, store, name }: Place<T>,
  write: () => Promise<T>,
): Promise<void> {
  try {
    store.remember(await write())
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error
    await refresh(client, { type, store, name })
  }
}

/** Reads the object anew. */
export async function refresh<T extends KubeObject>(
  client: Pick<KubeClient, 'get'>,
  { type, store, name }: Place<T>,
): Promise<void> {
  const fresh = await client.get<T>(type, { name })
  if (fresh) store.remember(fresh)
  else store.forget(name)
}
