/** Pure: the CRI endpoint, wherever the kubelet and kubeadm keep it. */
import { Refused } from '../engines/refused.ts'
import { addFlag, keyIn, setFlag, setKey, setPresentKey, type Wanted } from './change.ts'
import { type KubeletFound, minorOf } from './kubelet.ts'
import { effectiveEndpoint, fileSettings, flagValue, hasDockershim, sameSocket, textIn } from './settings.ts'

const key = 'containerRuntimeEndpoint'
const flag = { name: 'container-runtime-endpoint' }
const imageKey = 'imageServiceEndpoint'
const imageFlag = { name: 'image-service-endpoint' }

/** The config file has the key from this 1.x on; before, only a flag can say it. */
const keySince = 27

export function withEndpoint(found: KubeletFound, endpoint: string): KubeletFound {
  checkImageService(found, endpoint)
  const wanted: Wanted = { value: endpoint, isMet: (value) => sameSocket(value, endpoint) }
  let kubelet = setPresentKey(setFlag(found, flag, wanted), key, wanted)
  kubelet = setPresentKey(setFlag(kubelet, imageFlag, wanted), imageKey, wanted)
  const { instanceConfig } = kubelet
  if (instanceConfig?.bytes && keyIn(instanceConfig, key) === undefined) {
    kubelet = setKey(kubelet, instanceConfig, { key, value: endpoint })
  }
  kubelet = withRemote(kubelet, endpoint)
  return sameSocket(effectiveEndpoint(kubelet), endpoint) ? kubelet : added(kubelet, endpoint)
}

/** A service that only manages images, beside the engine, does so for the engine that it was set up with. */
function checkImageService(found: KubeletFound, endpoint: string): void {
  const image = flagValue(found, imageFlag.name) || textIn(fileSettings(found)[imageKey])
  const former = effectiveEndpoint(found)
  if (image === undefined || [former, endpoint].some((each) => sameSocket(each, image))) return
  if (sameSocket(former, endpoint)) return
  throw new Refused(
    'KubeletImageService',
    `the kubelet gets its images through ${image}, which is not its engine ${former}: the next engine would not see them; remove ${imageKey} (or --${imageFlag.name}) first`,
  )
}

/** Up to 1.23 a kubelet asks for its engine through CRI only when told so. */
function withRemote(found: KubeletFound, endpoint: string): KubeletFound {
  if (!hasDockershim(found) || endpoint.endsWith('/dockershim.sock')) return found
  const set = setFlag(found, { name: 'container-runtime' }, { value: 'remote', isMet: (value) => value === 'remote' })
  if (flagValue(set, 'container-runtime') === 'remote') return set
  return addFlag(set, 'container-runtime', 'remote') ?? noPlace('container-runtime', 'remote')
}

function added(found: KubeletFound, endpoint: string): KubeletFound {
  const { configFile } = found
  if (configFile?.bytes && (minorOf(found) ?? keySince) >= keySince) {
    return setKey(found, configFile, { key, value: endpoint })
  }
  // A file that is named but not there yet is one that "kubeadm join" will write, with the endpoint that it is given.
  if (configFile && !configFile.bytes) return found
  return addFlag(found, flag.name, endpoint) ?? noPlace(flag.name, endpoint)
}

function noPlace(name: string, value: string): never {
  throw new Refused(
    'KubeletNotConfigurable',
    `the kubelet needs the flag --${name}=${value}, and no environment file of its unit sets KUBELET_KUBEADM_ARGS or KUBELET_EXTRA_ARGS: give it that flag`,
  )
}
