import type { Look, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { runsDocker, workloads } from './workload.ts'

/** Only where the engine itself has to go: containerd keeps its images through a change of its configuration. */
export const localImages = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes.filter(runsDocker), find).map(({ subject, found, where }) => ({
    severity: 'Warning',
    subject,
    what: `never pulls ${found}, and another engine does not see Docker’s images (${where})`,
    advice: 'push the image to a registry, and let the pod pull it',
  }))

const find = ({ spec }: Pod): string | undefined =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(
    ({ imagePullPolicy }) => imagePullPolicy === 'Never',
  )?.image
