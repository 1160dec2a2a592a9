/** Removes what proofs have made, known by its label and its names alone: nothing is remembered between runs. */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { removeSandbox } from '../cri/sandboxes.ts'
import { cgroupParent, logFolderPrefix, proofLabel } from './pod.ts'
import type { ProofOptions } from './proof.ts'

type Places = Pick<ProofOptions, 'client' | 'clock' | 'logDirectory' | 'paths' | 'cgroupVersion'>

/**
 * Removes everything of earlier proofs: sandboxes with their containers, log folders, the cgroup. Not to be called while
 * another proof runs on the node. Rejects with what cannot be removed.
 */
export async function cleanUpProofs(places: Places, deadlineMs: number): Promise<void> {
  const { client, logDirectory } = places
  // A label selector asks for values, so the label itself is looked for here.
  const { items } = await client.call('listPodSandbox', {}, deadlineMs)
  const ids = items.filter(({ labels }) => proofLabel in labels).map(({ id }) => id)
  await removeSandboxes(places, ids, deadlineMs)
  for (const name of await readdir(logDirectory).catch(() => [])) {
    if (name.startsWith(logFolderPrefix)) await rm(join(logDirectory, name), { recursive: true, force: true })
  }
  await removeCgroup(places)
}

/** Removes the sandboxes with these labels; also one that a call made which was given up before it answered. */
export async function removeProof(
  places: Pick<Places, 'client' | 'clock'>,
  labelSelector: Record<string, string>,
  deadlineMs: number,
): Promise<void> {
  const { items } = await places.client.call('listPodSandbox', { filter: { labelSelector } }, deadlineMs)
  await removeSandboxes(
    places,
    items.map(({ id }) => id),
    deadlineMs,
  )
}

async function removeSandboxes(
  { client, clock }: Pick<Places, 'client' | 'clock'>,
  ids: readonly string[],
  deadlineMs: number,
): Promise<void> {
  const results = await Promise.allSettled(ids.map((id) => removeSandbox(client, id, { deadlineMs, clock })))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure) throw failure.reason
}

/** The parent that the cgroupfs driver made for us. It may be in use by the pod of another handler: then it stays. */
export async function removeCgroup({ paths, cgroupVersion }: Pick<Places, 'paths' | 'cgroupVersion'>): Promise<void> {
  const hierarchies = cgroupVersion === 'v2' ? ['.'] : await readdir(paths.cgroup)
  for (const hierarchy of hierarchies) {
    await rmdir(join(paths.cgroup, hierarchy, cgroupParent.cgroupfs)).catch((error: NodeJS.ErrnoException) => {
      if (!harmless.includes(error.code ?? '')) throw error
    })
  }
}

/** Nothing there, a file among the hierarchies, or still in use. */
const harmless = ['ENOENT', 'ENOTDIR', 'EBUSY', 'ENOTEMPTY']
