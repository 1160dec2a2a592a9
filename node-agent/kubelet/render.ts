/** Pure: the kubelet's files with a cgroup driver and a CRI endpoint in them, everything else byte for byte. */
import type { CgroupDriver, FileEdit, Pasts, Refusal } from '../engines/engine.ts'
import { orRefusal, Refused, sameBytes } from '../engines/refused.ts'
import { setFlag } from './change.ts'
import { withDriver } from './driver.ts'
import { withEndpoint } from './endpoint.ts'
import { filesOf, type KubeletFound } from './kubelet.ts'
import { deadFlags } from './removed.ts'
import { effectiveEndpoint, flagged, sameSocket } from './settings.ts'
import { withoutDrydock } from './undo.ts'

export interface KubeletTarget {
  /** Undefined: what the files say without Drydock. */
  readonly driver: CgroupDriver | undefined
  /** With its scheme. Undefined: the engine that the kubelet uses now. */
  readonly endpoint: string | undefined
}

/** Flags that the kubelet of this version refuses go too: `removedFlags` tells which. */
export function renderKubelet(
  found: KubeletFound,
  { driver, endpoint = found.endpoint }: KubeletTarget,
  pasts: Pasts,
): readonly FileEdit[] | Refusal {
  return orRefusal(() => {
    if (found.refusal) throw new Refused(found.refusal.reason, found.refusal.message)
    const original = withoutDrydock(found, pasts)
    const asked = withEndpoint(withoutDead(original, endpoint), endpoint)
    const after = driver ? withDriver(asked, driver) : asked
    const [now, former, next] = [found, original, after].map(filesOf)
    return now!.flatMap(({ path, bytes }, at) => {
      const edit = { path, before: bytes, after: next![at]!.bytes, original: former![at]!.bytes }
      return sameBytes(edit.before, edit.after) ? [] : [edit]
    })
  })
}

/** For people: the flags that `renderKubelet` takes out for this endpoint, one sentence each. */
export function removedFlags(found: KubeletFound, endpoint: string = found.endpoint): readonly string[] {
  return deadFlags(found, leavesDocker(found, endpoint)).flatMap((flag) =>
    flagged(found, flag).map(({ word, value }) => {
      const why = flag.isDockershim
        ? 'only the Docker support of kubelets before 1.24 reads it'
        : `kubelets from 1.${flag.since} on do not start with it`
      return `--${flag.name}=${value} goes from ${word.path}:${word.line}: ${why}.`
    }),
  )
}

function withoutDead(found: KubeletFound, endpoint: string): KubeletFound {
  const gone = { value: undefined, isMet: () => false }
  return deadFlags(found, leavesDocker(found, endpoint)).reduce((kubelet, flag) => setFlag(kubelet, flag, gone), found)
}

function leavesDocker(found: KubeletFound, endpoint: string): boolean {
  const isDocker = (each: string) => /\/(cri-dockerd|dockershim)\.sock$/.test(each)
  const former = effectiveEndpoint(found)
  return isDocker(former) && !isDocker(endpoint) && !sameSocket(former, endpoint)
}
