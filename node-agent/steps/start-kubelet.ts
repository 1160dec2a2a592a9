import { type Step, type StepContext, startAnew, stopIfActive, waitUntil } from './step.ts'

export async function startKubeletAnew(context: StepContext): Promise<void> {
  const { kubeletUnit, healthz } = context.change
  if (kubeletUnit === undefined || healthz === undefined) return
  await startAnew(context, kubeletUnit)
  await waitUntil(context, `${kubeletUnit} is healthy: see journalctl -u ${kubeletUnit}`, () =>
    context.kubeletHealthy(healthz),
  )
}

export const startKubelet: Step = {
  name: 'start-kubelet',
  apply: startKubeletAnew,
  revert: async (context) => {
    const { kubeletUnit } = context.change
    if (kubeletUnit !== undefined) await stopIfActive(context, kubeletUnit)
  },
}
