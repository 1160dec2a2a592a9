import type { Target } from '../engines/engine.ts'
import { Refused } from '../engines/refused.ts'
import type { PlanInput } from './types.ts'

/** A refusal names so many. */
const shown = 8

/** Whether somebody has said what is to become of containers that are not the kubelet's. */
export function checkStrangers({ observation, strangers }: PlanInput, { migration }: Target): void {
  if (strangers.length === 0 || migration?.previousEngine !== undefined) return
  const engine = observation.observed.engine?.name
  const rest = strangers.length > shown ? ` and ${strangers.length - shown} more` : ''
  throw new Refused(
    'EngineInUse',
    `${engine} on this node runs containers that are not the kubelet's (${strangers.slice(0, shown).join(', ')}${rest}): write migration.previousEngine: keep to leave it to them, or disable to stop them with it`,
  )
}
