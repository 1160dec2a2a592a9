/** Pure: the kubelet's cgroup driver. */
import type { CgroupDriver } from '../engines/engine.ts'
import { Refused } from '../engines/refused.ts'
import { setFlag, setKey, setPresentKey, type Wanted } from './change.ts'
import type { KubeletFound } from './kubelet.ts'
import { fileSettings, flagged } from './settings.ts'

const key = 'cgroupDriver'
const flag = { name: 'cgroup-driver' }

/** A flag wins over the files, so both are set. */
export function withDriver(found: KubeletFound, driver: CgroupDriver): KubeletFound {
  const wanted: Wanted = { value: driver, isMet: (value) => value === driver }
  const kubelet = setPresentKey(setFlag(found, flag, wanted), key, wanted)
  const { configFile } = kubelet
  if ((fileSettings(kubelet)[key] || 'cgroupfs') === driver) return kubelet
  if (configFile?.bytes) return setKey(kubelet, configFile, { key, value: driver })
  // A file that is named but not there yet is one that "kubeadm join" will write.
  if (configFile || flagged(kubelet, flag).length > 0) return kubelet
  throw new Refused(
    'KubeletNotConfigurable',
    `the kubelet has no --config file and no --${flag.name} flag: give it a KubeletConfiguration file with "${key}: ${driver}"`,
  )
}
