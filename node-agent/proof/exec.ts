/** A command in the running container. */
import { proofProgram } from './contract.ts'
import type { HandlerProof, Step } from './proof.ts'

const execSeconds = 10

export const execSync: Step<HandlerProof> = {
  name: 'ExecSync',
  async run({ call, options, found }) {
    const cmd = [...proofProgram, 'token']
    const answer = await call('execSync', { containerId: found.containerId, cmd, timeout: BigInt(execSeconds) })
    const stdout = Buffer.from(answer.stdout).toString()
    const stderr = Buffer.from(answer.stderr).toString().trim()
    if (answer.exitCode !== 0) {
      throw new Error(`the command ended with exit code ${answer.exitCode}${stderr ? `: ${stderr}` : ''}`)
    }
    if (stdout !== options.id) {
      throw new Error(`the command printed ${JSON.stringify(stdout.slice(0, 200))} where ${options.id} was due`)
    }
  },
}
