import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { isOut } from '../../operator/rollout/availability.ts'
import { list, shareOf } from '../../operator/rollout/budget.ts'
import { selects } from '../../operator/rollout/selector.ts'
import type { NodeView } from '../../operator/rollout/types.ts'
import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'

export const nodeService = (look: Look): readonly Finding[] => {
  const out = look.nodes.map(({ view }) => view).filter(isOutForOthers)
  return [...look.profiles.flatMap((profile) => spent(look, profile)), ...out.map(single)]
}

const isOutForOthers = (view: NodeView): boolean => isOut(view) && !view.cordon

/**
 * Nodes that are out for other reasons count: they may leave no place for the next. All that the profile selects are
 * looked at, however few the question is about.
 */
const spent = ({ nodes, everyNode }: Look, { metadata: { name }, spec }: RuntimeProfile): readonly Finding[] => {
  if (!nodes.some(({ profiles }) => profiles.includes(name))) return []
  const members = everyNode.filter(({ labels }) => selects(spec.nodeSelector, labels))
  const limit = shareOf(spec.rollout?.maxUnavailable, members.length)
  const gone = members.filter(isOutForOthers).map((view) => view.name)
  if (gone.length < limit || gone.length === members.length) return []
  return [
    {
      severity: 'Blocking',
      subject: `RuntimeProfile ${name}`,
      what: `may have ${limit} of its nodes out of service, and ${list(gone)} ${gone.length === 1 ? 'is' : 'are'} already`,
      advice: 'bring them back, take them out of the nodeSelector, or raise rollout.maxUnavailable',
    },
  ]
}

const single = ({ name, deleting, ready }: NodeView): Finding => {
  const [what, advice] = deleting
    ? ['is being deleted', 'wait until it is gone']
    : ready
      ? [
          'is cordoned by somebody',
          `Drydock changes it and leaves it cordoned: kubectl uncordon ${name}, if that is not meant`,
        ]
      : ['is not Ready, and Drydock starts with no such node', `find out why: kubectl describe node ${name}`]
  return { severity: 'Warning', subject: `Node ${name}`, what, advice }
}
