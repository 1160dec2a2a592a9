/** Whether anything of the pod is left once it was removed. */
import { access, rm } from 'node:fs/promises'
import { nameOfNamespace } from './netns.ts'
import { labelsOf } from './pod.ts'
import { poll } from './poll.ts'
import type { HandlerProof, Step } from './proof.ts'

export const nothingLeft: Step<HandlerProof> = {
  name: 'NothingLeft',
  async run(proof) {
    const { options, handler, call, sandbox, remainingMs } = proof
    const filter = { podSandboxId: '', labelSelector: labelsOf(options.id, handler) }
    const { items } = await call('listPodSandbox', { filter })
    if (items.length > 0) throw new Error(`the engine still has sandbox ${items[0]?.id} after it was removed`)
    const { containers } = await call('listContainers', { filter })
    if (containers.length > 0)
      throw new Error(`the engine still has container ${containers[0]?.id} after it was removed`)
    let left = ''
    const look = async (): Promise<true | undefined> => {
      left = (await leftOnHost(proof)) ?? ''
      return left === '' ? true : undefined
    }
    // Engines answer a removal when it is decided; the kernel may be a moment behind.
    await poll({ clock: options.clock, remainingMs }, look, () => `${left} is left after the pod was removed`)
    await rm(sandbox.logDirectory, { recursive: true, force: true })
  },
}

async function leftOnHost({ options, found }: HandlerProof): Promise<string | undefined> {
  for (const folder of found.cgroup?.folders ?? []) {
    const there = await access(folder).then(
      () => true,
      () => false,
    )
    if (there) return `cgroup ${folder}`
  }
  const name = found.netns === undefined ? undefined : await nameOfNamespace(options.paths, found.netns)
  return name && `network namespace ${name}`
}
