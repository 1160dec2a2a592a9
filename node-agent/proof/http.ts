/** A request over the pod's network, as a probe of the kubelet makes it. */
import { get } from 'node:http'
import { proofPort } from './contract.ts'
import { poll } from './poll.ts'
import type { HandlerProof, Step } from './proof.ts'

export const httpAnswer: Step<HandlerProof> = {
  name: 'HTTP',
  async run({ options, found, remainingMs }) {
    if (options.isWithoutNetwork) return
    const at = `http://${found.podIP.includes(':') ? `[${found.podIP}]` : found.podIP}:${proofPort}`
    let said = ''
    const look = async (): Promise<true | undefined> => {
      const budget = Math.min(tryMs, Math.ceil(remainingMs()))
      // A last try that is cut short must not hide what the ones before it heard.
      said = await ask(found.podIP, budget).catch((error: Error) => (budget < tryMs && said) || error.message)
      return said === options.id ? true : undefined
    }
    await poll(
      { clock: options.clock, remainingMs },
      look,
      () => `the pod did not answer at ${at}: ${said.slice(0, 200)}`,
    )
  },
}

/** One try: long enough for an address that must be resolved on the link first, short enough for another. */
const tryMs = 1_000

function ask(host: string, ms: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ms)
    const request = get({ host, port: proofPort, agent: false, signal }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('error', reject)
      response.on('end', () => resolve(body))
    })
    request.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${ms} ms`) : error))
  })
}
