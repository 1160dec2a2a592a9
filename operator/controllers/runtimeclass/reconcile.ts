import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { EventRecorder } from '../../../kube/events.ts'
import { RuntimeClasses } from '../../../kube/resource.ts'
import { fieldManager } from '../../resources.ts'
import type { Store } from '../store.ts'
import { planRuntimeClasses, type RuntimeClassObject } from './plan.ts'

export interface RuntimeClassControllerOptions {
  readonly client: Pick<KubeClient, 'apply' | 'delete'>
  readonly profiles: Pick<Store<RuntimeProfile>, 'list' | 'get'>
  readonly runtimeClasses: Store<RuntimeClassObject>
  readonly events: Pick<EventRecorder, 'record'>
}

/** Creates the RuntimeClasses that profiles ask for and deletes its own that none asks for. */
export class RuntimeClassController {
  readonly #options: RuntimeClassControllerOptions
  #told = new Set<string>()

  constructor(options: RuntimeClassControllerOptions) {
    this.#options = options
  }

  async reconcile(): Promise<void> {
    const { client, profiles, runtimeClasses } = this.#options
    const byName = [...profiles.list()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    const { apply, remove, problems } = planRuntimeClasses(byName, runtimeClasses.list())
    for (const { metadata } of remove) {
      const { name = '', uid } = metadata
      await client.delete(RuntimeClasses, { name }, uid ? { uid } : {})
      runtimeClasses.forget(name)
    }
    for (const object of apply) {
      runtimeClasses.remember(await client.apply(RuntimeClasses, object, { fieldManager }))
    }
    this.#tell(problems)
  }

  /** Once for each problem, as long as it lasts. */
  #tell(problems: ReturnType<typeof planRuntimeClasses>['problems']): void {
    const { events, profiles } = this.#options
    for (const { profile, reason, message } of problems) {
      const metadata = profiles.get(profile)?.metadata
      if (this.#told.has(message) || !metadata) continue
      const { name, uid } = metadata
      const regarding = { apiVersion: 'drydock.dev/v1alpha1', kind: 'RuntimeProfile', name, ...(uid && { uid }) }
      events.record(regarding, 'Warning', reason, message, 'CreateRuntimeClass')
    }
    this.#told = new Set(problems.map(({ message }) => message))
  }
}
