import type { Step, StepContext } from './step.ts'

/** An archive that is gone was imported before a crash. */
async function importArchive(context: StepContext, names: readonly string[], archive: string): Promise<void> {
  const { change, clock, found, host, limit, provisions } = context
  if ((await host.realPath(archive)) === undefined) return
  const bytes = await provisions.importImages(change.to.name, { names, archive }, limit.untilMs - clock.monotonicMs())
  found({ images: { carried: names.length, bytes } })
  await host.removeFile(archive)
}

async function importAll({ change, clock, limit, provisions }: StepContext, archive: string): Promise<void> {
  await provisions.importImages(change.to.name, { names: [], archive }, limit.untilMs - clock.monotonicMs())
}

/** What a proof may take is left to it, however slow a registry is. */
const pullShare = 1 / 2

/**
 * The kubelet has the credentials of pods, and time: an image that cannot be pulled here is no reason to go back. Tells
 * what is left to it, with the reasons.
 */
async function pullOthers(context: StepContext, names: readonly string[]): Promise<readonly string[]> {
  const { change, clock, limit, runtime } = context
  const untilMs = clock.monotonicMs() + (limit.untilMs - clock.monotonicMs()) * pullShare
  const left: string[] = []
  for (const name of names) {
    const isOver = clock.monotonicMs() >= untilMs || limit.signal.aborted
    const why = isOver
      ? 'there was no time left'
      : await runtime.pullMissing(change.to.endpoint, name, { ...limit, untilMs }).then(
          () => undefined,
          (error: Error) => error.message,
        )
    if (why !== undefined) left.push(`${name} (${why})`)
  }
  return left
}

/** The new store may be empty: the proof needs the agent's image in any case. */
export const importImages: Step = {
  name: 'import-images',
  apply: async (context) => {
    const { archives = [], image, images, to } = context.change
    if (images?.archive !== undefined) await importArchive(context, images.names, images.archive)
    // Those of a person stay where they are: imported once more after a crash, they change nothing.
    for (const archive of archives) await importAll(context, archive)
    await context.runtime.pullMissing(to.endpoint, image, context.limit)
    const left = await pullOthers(
      context,
      (images?.names ?? []).filter((name) => name !== image),
    )
    if (left.length > 0)
      context.found({ images: { message: `The kubelet pulls what is missing: ${left.join(', ')}.` } })
  },
}
