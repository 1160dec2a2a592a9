/** Every check, in the order in which a person should read what they find. */
import type { Look } from './cluster.ts'
import { controlPlane } from './control-plane.ts'
import { disruptionBudgets } from './disruption-budgets.ts'
import { dockerClients } from './docker-clients.ts'
import { drainRefusals } from './drain-refusals.ts'
import { engineFiles } from './engine-files.ts'
import { engineSockets } from './engine-sockets.ts'
import { type Finding, severities } from './finding.ts'
import { knownAgents } from './known-agents.ts'
import { localImages } from './local-images.ts'
import { lostHandlers } from './lost-handlers.ts'
import { nodeReports } from './node-reports.ts'
import { nodeService } from './node-service.ts'
import { nodeSupport } from './node-support.ts'
import { onlyNode } from './only-node.ts'
import { profileConflicts } from './profile-conflicts.ts'

export const checks: readonly ((look: Look) => readonly Finding[])[] = [
  profileConflicts, // two profiles select one node: neither acts
  nodeSupport, // hosts and engines that Drydock leaves alone
  nodeService, // nodes that are out of service already
  nodeReports, // what the agents have seen, and have not
  disruptionBudgets, // evictions that would be refused
  drainRefusals, // pods that no drain moves
  onlyNode, // pods that have nowhere to go
  controlPlane, // the API goes away with its only node
  engineSockets, // who talks to the engine
  engineFiles, // who reads what the engine writes
  dockerClients, // who runs Docker inside
  knownAgents, // agents that are set up for Docker
  localImages, // images that cannot be pulled again
  lostHandlers, // pods that the next engine could not start
]

/** The findings, the harsh before the harmless. */
export const findingsOf = (look: Look): readonly Finding[] => {
  const found = checks.flatMap((check) => check(look))
  return severities.flatMap((severity) => found.filter((finding) => finding.severity === severity))
}
