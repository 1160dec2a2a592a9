/** `drydock node status`: what is on this machine. Looks, and touches nothing. */
import { look } from '../../node-agent/embedded/look.ts'
import { type Answer, answer } from '../answer.ts'
import { json, observedOf } from '../node/render.ts'
import { type Paint, printable } from '../render/paint.ts'

export const statusOfNode = async (output: 'text' | 'json', paint: Paint): Promise<Answer> => {
  const found = await look()
  if (output === 'json') return json(found)
  const { observed, refusal, files, last, isOpen, isOwned } = found
  const drydock = [
    ...(files.length > 0 ? [`Drydock has changed: ${files.join(', ')}`] : []),
    ...(last?.revision
      ? [`last change: ${last.phase} (${last.revision})${last.message ? `: ${last.message}` : ''}`]
      : []),
    ...(refusal ? [`! ${refusal.message}`] : []),
    ...(isOpen
      ? [
          paint(
            'yellow',
            '! A change is open: the next `drydock node apply`, `restore` or `verify` brings it to an end.',
          ),
        ]
      : []),
    ...(isOwned ? ['! The agent of a cluster keeps this machine.'] : []),
  ]
  return answer(`${[...observedOf(observed), ...drydock.map(printable)].join('\n')}\n`)
}
