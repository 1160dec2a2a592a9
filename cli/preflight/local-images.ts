import type { Look, LookNode, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { workloads } from './workload.ts'

/** Only where the engine itself goes: it keeps its images through a change of its configuration. */
export const localImages = ({ nodes }: Look): readonly Finding[] =>
  workloads(
    nodes.filter(({ move }) => move),
    find,
  ).map(({ subject, found, where }) => ({ ...found, subject, what: `${found.what} (${where})` }))

type Local = Omit<Finding, 'subject'>

const find = ({ spec, status }: Pod, { engine, move }: LookNode): Local | undefined => {
  const never = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(
    ({ imagePullPolicy }) => imagePullPolicy === 'Never',
  )?.image
  const unpulled = status?.containerStatuses?.find(({ imageID }) => isLocal(imageID))?.image
  const image = never ?? unpulled
  if (image === undefined) return undefined
  const what = never === undefined ? `runs ${image}, which came from no registry` : `never pulls ${image}`
  if (move?.migration.images === 'transfer') {
    const advice = 'migration.images: transfer carries it to the new engine; push it to a registry all the same'
    return { severity: 'Note', what, advice }
  }
  return {
    severity: 'Warning',
    what: `${what}, and another engine does not see the images of ${engine}`,
    advice: 'write migration.images: transfer, or push the image to a registry and let the pod pull it',
  }
}

/** An image that was pulled is known by the digest of its registry, one that was built or loaded here by its own. */
const isLocal = (imageID = ''): boolean => /^(docker:\/\/)?sha256:/.test(imageID)
