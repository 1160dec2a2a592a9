/** The proof of a handler next to the same calls by a raw gRPC client. */

import { paired, type Row } from './bar.ts'
import type { Bed } from './bed.ts'
import type { ProofPair } from './on-node/prove-pairs.ts'

const bar = 1.15
const usualPairs = 15

export async function proof(bed: Bed, runs = usualPairs): Promise<readonly Row[]> {
  const { worker } = bed
  await bed.migrate('there')
  await bed.settled()
  const command = await bed.install(worker, 'prove-pairs')
  await bed.onNode(worker, ['systemctl', 'stop', 'kubelet.service'])
  try {
    const image = await agentImage(bed)
    const pairs = JSON.parse(await bed.onNode(worker, [...command, image, String(runs)])) as ProofPair[]
    return ['runc', 'crun'].map((handler) =>
      rowOf(
        handler,
        pairs.filter((pair) => pair.handler === handler),
      ),
    )
  } finally {
    await bed.onNode(worker, ['systemctl', 'start', 'kubelet.service'])
    await bed.settled()
  }
}

function rowOf(handler: string, pairs: readonly ProofPair[]): Row {
  const times = pairs.map(({ ours, yardstick }) => ({ ours: ours.milliseconds, yardstick: yardstick.milliseconds }))
  return { name: `proof of ${handler}`, unit: 'ms', bar, ...paired(times), note: `medians of ${pairs.length} pairs` }
}

async function agentImage(bed: Bed): Promise<string> {
  const field = 'jsonpath={.items[0].spec.containers[0].image}'
  return bed.kubectl('get', 'pods', '-n', 'drydock-system', '-l', 'app.kubernetes.io/component=agent', '-o', field)
}
