/** Docker, which nodes leave: with cri-dockerd, or under a kubelet of before 1.24 that spoke to it by itself. */
import type { SourceEngine } from '../engine.ts'
import { removePods, strangers } from './containers.ts'
import { detect } from './detect.ts'
import { images } from './images.ts'
import { sweep } from './networks.ts'
import { endpoint, units } from './paths.ts'

export const docker: SourceEngine = { name: 'docker', units, endpoint, detect, strangers, images, removePods, sweep }
