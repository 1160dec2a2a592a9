/** containerd 1.6 to 2.x, configuration versions 2 to 4. */
import type { Engine } from '../engine.ts'
import { actionFor } from './action.ts'
import { renderConfig } from './config.ts'
import { detect } from './detect.ts'
import { images } from './images.ts'
import { layout } from './layout.ts'
import { notesOf } from './notes.ts'
import { unit } from './paths.ts'
import { strangers } from './strangers.ts'
import { validate } from './validate.ts'

export const containerd: Engine = {
  name: 'containerd',
  units: [unit],
  endpoint: 'unix:///run/containerd/containerd.sock',
  detect,
  render: renderConfig,
  validate,
  action: actionFor,
  notes: notesOf,
  strangers,
  images,
  layout,
}
