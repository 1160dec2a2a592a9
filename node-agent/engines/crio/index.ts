/** CRI-O 1.28 and newer. */
import type { Engine } from '../engine.ts'
import { actionFor } from './action.ts'
import { renderConfig } from './config.ts'
import { detect } from './detect.ts'
import { images } from './images.ts'
import { layout } from './layout.ts'
import { endpoint, unit } from './paths.ts'
import { validate } from './validate.ts'

export const crio: Engine = {
  name: 'cri-o',
  units: [unit],
  endpoint,
  detect,
  render: renderConfig,
  validate,
  action: actionFor,
  // Everything that runs on it is the kubelet's: podman has the same store, and engines of its own.
  strangers: async () => [],
  images,
  layout,
}
