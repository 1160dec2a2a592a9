import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'
import { workloads } from './workload.ts'

/** Handlers stay through a change of an engine's configuration; another engine has those of the profile and no others. */
export const lostHandlers = ({ nodes, runtimeClasses }: Look): readonly Finding[] => {
  const handlerOf = new Map(runtimeClasses.map(({ metadata, handler }) => [metadata.name, handler]))
  return workloads(
    nodes.filter(({ move }) => move?.to !== undefined),
    ({ spec }, { move }) => {
      const name = spec?.runtimeClassName
      const handler = name === undefined ? undefined : handlerOf.get(name)
      return handler === undefined || move?.handlers.includes(handler) ? undefined : { name, handler, to: move?.to }
    },
  ).map(({ subject, found: { name, handler, to }, where }) => ({
    severity: 'Blocking',
    subject,
    what: `has the RuntimeClass ${name}, whose handler ${handler} the profile does not ask of ${to} (${where})`,
    advice: `add ${handler} to the handlers of the profile, or move the pods to other nodes first`,
  }))
}
