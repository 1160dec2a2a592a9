import { type Step, stopIfActive } from './step.ts'
import { toStop } from './units.ts'

/** From files that lie on the host. The units of both engines are stopped: a package's own scripts start nothing that runs. */
export const installPackages: Step = {
  name: 'install-packages',
  apply: async ({ change: { packages }, provisions }) => {
    if (packages) await provisions[packages.act](packages.change)
  },
  revert: async (context) => {
    const { packages } = context.change
    if (!packages) return
    // An undoing that is done again finds what it has started.
    for (const unit of toStop(context.change)) await stopIfActive(context, unit)
    await context.provisions[packages.act === 'install' ? 'restore' : 'install'](packages.change)
  },
}
