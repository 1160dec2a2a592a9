/** Reading the objects that a gate is about, of whatever kind. */
import type { RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { isForbidden, isNotFound } from '../../../kube/errors.ts'
import type { KubeObject, ResourceType } from '../../../kube/resource.ts'
import { selectorText } from '../../rollout/selector.ts'
import type { Bindings } from './expression.ts'

export type Gate = NonNullable<NonNullable<RuntimeProfileSpec['rollout']>['gates']>[number]
type Client = Pick<KubeClient, 'get' | 'list' | 'discover'>

/** Objects in memory at once; with more a selector has been forgotten. */
const most = 500

export class GateObjects {
  readonly #client: Client
  /** What each group and version serves: a kind that has been found does not change its plural. */
  readonly #served = new Map<string, readonly ResourceType[]>()

  constructor(client: Client) {
    this.#client = client
  }

  /** Throws with a sentence that says what is not there or what to grant. */
  async read({ object }: Gate): Promise<Bindings> {
    const type = await this.#typeOf(object)
    const { name, namespace, labelSelector } = object
    const place = `${object.kind}${name === undefined ? 's' : ` ${name}`}${namespace ? ` in ${namespace}` : ''}`
    if (type.namespaced && name !== undefined && namespace === undefined) {
      throw new Error(`${object.kind} is namespaced: write object.namespace`)
    }
    if (!type.namespaced && namespace !== undefined) {
      throw new Error(`${object.kind} is cluster-scoped: remove object.namespace`)
    }
    try {
      const within = namespace === undefined ? {} : { namespace }
      if (name === undefined) {
        const selector = labelSelector && selectorText(labelSelector)
        return { objects: await this.#list(type, { ...within, ...(selector && { labelSelector: selector }) }) }
      }
      const found = await this.#client.get<KubeObject>(type, { ...within, name })
      if (!found) throw new Error(`${place} is not there`)
      return { object: found, objects: [found] }
    } catch (error) {
      if (isForbidden(error)) throw new Error(whatToGrant(type, name), { cause: error })
      throw error
    }
  }

  async #list(type: ResourceType, selection: object): Promise<KubeObject[]> {
    let count = 0
    const project = (object: KubeObject): KubeObject => {
      count++
      if (count > most) throw new Error(`it selects more than ${most} objects: write namespace or labelSelector`)
      const { managedFields: _, ...metadata } = object.metadata
      return { ...object, metadata }
    }
    return (await this.#client.list<KubeObject>(type, { ...selection, project })).items
  }

  async #typeOf({ apiVersion, kind }: Gate['object']): Promise<ResourceType> {
    const isWanted = (type: ResourceType): boolean => type.kind === kind
    const known = this.#served.get(apiVersion)?.find(isWanted)
    if (known) return known
    let types: readonly ResourceType[]
    try {
      types = await this.#client.discover(apiVersion)
    } catch (error) {
      if (!isNotFound(error)) throw error
      throw new Error(`the API server does not serve ${apiVersion}`, { cause: error })
    }
    this.#served.set(apiVersion, types)
    const found = types.find(isWanted)
    if (!found) throw new Error(`${apiVersion} has no kind ${kind}`)
    return found
  }
}

function whatToGrant({ group, plural }: ResourceType, name: string | undefined): string {
  const rule = `{apiGroups: ["${group}"], resources: [${plural}], verbs: [${name === undefined ? 'list' : 'get'}]}`
  return `the operator may not read ${plural}: add ${rule} to operator.gateRules of the chart's values`
}
