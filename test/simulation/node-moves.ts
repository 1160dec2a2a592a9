/**
 * What a simulated node can be taken through: settings of the engine it has, a newer program of it, another engine. Engine
 * "a" is what the node has; "b" takes its place.
 */
import { dirname } from 'node:path'
import type { Action, Side } from '../../node-agent/engines/engine.ts'

export const kubeletFile = '/var/lib/kubelet/config.yaml'
export const fileA = '/etc/a.toml'
const dropInA = '/etc/a.d/extra.toml'
const fileB = '/etc/b.toml'
const programA = '/usr/bin/a'
const programB = '/usr/bin/b'
export const unitFolder = '/etc/systemd/system'
const packaged = '/usr/lib/systemd/system'

export type UnitName = 'a.socket' | 'a.service' | 'b.service' | 'kubelet'

export const unitNames: readonly UnitName[] = ['b.service', 'a.socket', 'a.service', 'kubelet']

/** Unit files of each unit: systemd goes by what it read last. */
export const definitions: Readonly<Record<UnitName, readonly string[]>> = {
  'a.socket': [`${packaged}/a.socket`],
  'a.service': [`${packaged}/a.service`, `${unitFolder}/a.service.d/90-drydock.conf`],
  'b.service': [`${unitFolder}/b.service`, `${packaged}/b.service`],
  kubelet: [`${packaged}/kubelet.service`],
}

export const linkOf = (unit: UnitName): string => `${unitFolder}/multi-user.target.wants/${unit}`

/** A file that is another one afterwards; undefined: none. */
interface Turn {
  readonly path: string
  readonly from: string | undefined
  readonly to: string | undefined
  /** The package manager's business, not the engine's. */
  readonly isPackaged?: true
  /** Who reads it. */
  readonly unit: UnitName
}

export interface Move {
  readonly action: Action
  readonly from: Side
  readonly to: Side
  readonly turns: readonly Turn[]
  readonly previous: 'keep' | 'disable'
  readonly carriesImages: boolean
  /** Units that run and start at boot before the change. */
  readonly running: readonly UnitName[]
  /** None that has joined a cluster: nobody stops or starts it, and nobody waits for it. */
  readonly hasNoKubelet?: true
}

const a: Side = { name: 'docker', units: ['a.socket', 'a.service'], endpoint: 'unix:///a', version: '1' }
const b: Side = { name: 'containerd', units: ['b.service'], endpoint: 'unix:///b', version: '2' }
const settings: readonly Turn[] = [
  { path: fileA, from: 'old', to: 'new', unit: 'a.service' },
  { path: dropInA, from: undefined, to: 'new', unit: 'a.service' },
  { path: kubeletFile, from: 'old', to: 'new', unit: 'kubelet' },
]
const repointed: Turn = { path: kubeletFile, from: 'old', to: 'new', unit: 'kubelet' }
const configured: Turn = { path: fileB, from: undefined, to: 'new', unit: 'b.service' }
const onlyA: readonly UnitName[] = ['a.socket', 'a.service', 'kubelet']

const inPlace = {
  from: { ...a, name: 'containerd' },
  previous: 'disable',
  carriesImages: false,
  running: onlyA,
} as const
const stays = { ...inPlace, to: inPlace.from } as const
const newer = { ...inPlace, action: 'Restart', to: { ...inPlace.from, version: '2' } } as const
const exchange = { action: 'DrainSwitch', from: a, to: b, previous: 'disable', running: onlyA } as const

export const moves = {
  nothing: { ...stays, action: 'None', turns: [] },
  restart: { ...stays, action: 'Restart', turns: settings },
  settings: { ...stays, action: 'DrainRestart', turns: settings },
  /** A newer program from an archive: a drop-in makes it the one that runs. */
  upgrade: {
    ...newer,
    turns: [
      { path: `${unitFolder}/a.service.d/90-drydock.conf`, from: undefined, to: 'new', unit: 'a.service' },
      { path: fileA, from: 'old', to: 'new', unit: 'a.service' },
    ],
  },
  /** A newer package. */
  package: {
    ...newer,
    turns: [
      { path: programA, from: 'old', to: 'new', unit: 'a.service', isPackaged: true },
      { path: fileA, from: 'old', to: 'new', unit: 'a.service' },
    ],
  },
  /** Another engine from an archive, with the images. */
  exchange: {
    ...exchange,
    carriesImages: true,
    turns: [{ path: `${unitFolder}/b.service`, from: undefined, to: 'new', unit: 'b.service' }, configured, repointed],
  },
  /** Another engine from a package; the former one is left to others. */
  keep: {
    ...exchange,
    previous: 'keep',
    carriesImages: false,
    turns: [
      { path: programB, from: undefined, to: 'new', unit: 'b.service', isPackaged: true },
      { path: `${packaged}/b.service`, from: undefined, to: 'new', unit: 'b.service', isPackaged: true },
      configured,
      repointed,
    ],
  },
  /** The other engine runs already, for the former one: containerd under Docker. */
  helper: {
    ...exchange,
    carriesImages: true,
    turns: [{ path: fileB, from: 'old', to: 'new', unit: 'b.service' }, repointed],
    running: ['b.service', ...onlyA],
  },
  /** What speaks CRI for the former engine is part of the kubelet (dockershim): on the way back nothing can be asked. */
  shim: {
    ...exchange,
    from: { ...a, endpoint: 'unix:///shim', isInKubelet: true },
    carriesImages: false,
    turns: [{ path: `${unitFolder}/b.service`, from: undefined, to: 'new', unit: 'b.service' }, configured, repointed],
  },
  /** A machine without an engine, and without a kubelet that has joined a cluster, gets its first one. */
  bare: {
    ...exchange,
    from: { name: 'none', units: [], endpoint: 'unix:///b' },
    carriesImages: false,
    hasNoKubelet: true,
    turns: [
      { path: programB, from: undefined, to: 'new', unit: 'b.service', isPackaged: true },
      { path: `${packaged}/b.service`, from: undefined, to: 'new', unit: 'b.service', isPackaged: true },
      configured,
    ],
    running: [],
  },
} as const satisfies Record<string, Move>

export type MoveName = keyof typeof moves

/** Folders that are on each node. */
export const plantedFolders: readonly string[] = [dirname(linkOf('kubelet')), '/var/lib']

/** What is on the node before anything happens, beside what turns. */
export function planted(move: Move): ReadonlyMap<string, string> {
  const files = new Map<string, string>([
    [fileA, 'old'],
    [kubeletFile, 'old'],
    [programA, 'old'],
    [`${packaged}/a.socket`, 'unit'],
    [`${packaged}/a.service`, 'unit'],
    [`${packaged}/kubelet.service`, 'unit'],
  ])
  if (move.running.includes('b.service')) {
    files.set(programB, 'old').set(`${packaged}/b.service`, 'unit')
  }
  for (const { path, from } of move.turns) if (from !== undefined) files.set(path, from)
  for (const unit of move.running) files.set(linkOf(unit), '')
  return files
}
