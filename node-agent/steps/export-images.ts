import type { Step } from './step.ts'

/** While engine and kubelet still work: nothing is disrupted yet, so it may take its time. */
export const exportImages: Step = {
  name: 'export-images',
  apply: async ({ change: { from, images }, provisions, limit, clock, found }) => {
    if (images?.archive === undefined) return
    const { names, archive } = images
    const bytes = await provisions.exportImages(from.name, { names, archive }, limit.untilMs - clock.monotonicMs())
    found({ images: { carried: 0, bytes } })
  },
  revert: async ({ change: { images }, host }) => {
    if (images?.archive !== undefined) await host.removeFile(images.archive)
  },
}
