import type { Look, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { runsDocker, workloads } from './workload.ts'

/** Agents that are set up for one engine, and what to change in them. */
const agents: readonly (readonly [name: RegExp, agent: string, advice: string])[] = [
  [/datadog|dd-agent/, 'Datadog', 'set the path of the CRI socket in its configuration'],
  [/oneagent/, 'Dynatrace OneAgent', 'use a release that knows the new engine'],
  [/falco/, 'Falco', 'give it the CRI socket in place of Docker’s'],
  [/twistlock/, 'Prisma Cloud Defender', 'deploy it anew for CRI'],
  [/signalfx/, 'SignalFx', 'remove its monitor of Docker containers'],
]

export const knownAgents = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes.filter(runsDocker), find).map(({ subject, found: [, agent, advice], where }) => ({
    severity: 'Warning',
    subject,
    what: `is ${agent}, which is set up for an engine (${where})`,
    advice,
  }))

const find = ({ metadata, spec }: Pod) => {
  const names = [metadata.name ?? '', ...(spec?.containers ?? []).map(({ image = '' }) => image)]
  return agents.find(([pattern]) => names.some((name) => pattern.test(name)))
}
