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

/** The new store may be empty: the proof needs the agent's image in any case. */
export const importImages: Step = {
  name: 'import-images',
  apply: async (context) => {
    const { archives = [], image, images, to } = context.change
    if (images?.archive !== undefined) await importArchive(context, images.names, images.archive)
    // Those of a person stay where they are: imported once more after a crash, they change nothing.
    for (const archive of archives) await importAll(context, archive)
    for (const name of new Set([image, ...(images?.names ?? [])])) {
      await context.runtime.pullMissing(to.endpoint, name, context.limit)
    }
  },
}
