/**
 * One node in a box: disk, units, pods, packages, images, time. The real engine runs on it; every call of the engine into
 * the box is a point at which it can be killed, or the machine can lose power.
 */
import { dirname } from 'node:path'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { silentLog } from '../../kube/log.ts'
import { restoreAtBoot } from '../../node-agent/engine/boot.ts'
import { NodeEngine } from '../../node-agent/engine/engine.ts'
import { Ledger } from '../../node-agent/engine/ledger.ts'
import type { Planned } from '../../node-agent/engine/prepare.ts'
import { unitChanges } from '../../node-agent/engine/unit-changes.ts'
import type { Pasts } from '../../node-agent/engines/engine.ts'
import type { BootClock } from '../../node-agent/host/boot-clock.ts'
import { discardUnfinished, makeDurable, removeFile, removeFolder, replaceFile } from '../../node-agent/host/durable.ts'
import type { Host, UnitState } from '../../node-agent/host/host.ts'
import type { Memory } from '../../node-agent/journal/memory.ts'
import type { Expectation, Order, PackageChange, Verification } from '../../node-agent/journal/records.ts'
import { Store } from '../../node-agent/journal/store.ts'
import type { Limit, Provisions, Runtime } from '../../node-agent/steps/step.ts'
import { type Random, SimulatedDisk } from './node-disk.ts'
import { definitions, linkOf, type Move, planted, plantedFolders, type UnitName, unitNames } from './node-moves.ts'

export const stateFolder = '/var/lib/drydock'
const archive = `${stateFolder}/images.tar`
const agent = 'agent'

/** What does not work, and only with the new configuration: a former state that is broken too is Failed by right. */
export type Fault =
  | 'none'
  | 'engine does not start'
  | 'CRI does not answer'
  | 'proof fails'
  | 'kubelet does not start'
  | 'kubelet is never healthy'
  | 'disk is full'
  | 'engine flaps'
  | 'packages do not install'
  | 'images do not import'

export interface Crash {
  readonly at: number
  readonly kind: 'kill' | 'power'
}

interface Unit {
  active: boolean
  invocation: number
  /** What it read when it started. */
  loaded: string | undefined
  proven: number
}

interface Pod {
  readonly engine: UnitName
  readonly loaded: string | undefined
  readonly id: string
  /** It ran before anything happened. */
  readonly isEarly: boolean
}

interface Process {
  alive: boolean
  readonly stop: AbortController
  ledger?: Ledger
  engine?: NodeEngine
}

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

/** Long enough for orders to come in between. */
const durationsMs: Readonly<Record<string, number>> = {
  start: 300,
  stop: 200,
  prove: 2000,
  remove: 500,
  packages: 800,
  export: 3000,
  import: 1000,
}

/** Each its own: all that ever waited for one would be kept in memory. */
const never = (): Promise<never> => new Promise(() => {})

export class World {
  readonly disk: SimulatedDisk
  readonly move: Move
  readonly fault: Fault
  readonly trace: string[] = []
  readonly units = Object.fromEntries(
    unitNames.map((name): [UnitName, Unit] => [name, { active: false, invocation: 0, loaded: undefined, proven: 0 }]),
  ) as Record<UnitName, Unit>
  /** Unit files as systemd has read them. */
  #manager: ReadonlyMap<string, string> = new Map()
  /** Image names by the engine whose store they are in. */
  readonly stores: Readonly<Record<'a.service' | 'b.service', Set<string>>> = {
    'a.service': new Set([agent, 'app']),
    'b.service': new Set(),
  }
  pods: Pod[] = []
  #podsMade = 0
  operations = 0
  boots = 1
  violations: string[] = []
  #process: Process | undefined
  readonly #crashes: Crash[]
  readonly #random: Random
  #nowMs = 1000
  #bootedMs = 0
  #timers: Timer[] = []
  #timerCount = 0
  #crashed: Crash | undefined
  #lastPhase: string | undefined
  #isBooting = false

  constructor(options: { move: Move; fault: Fault; crashes: readonly Crash[]; random: Random }) {
    this.move = options.move
    this.fault = options.fault
    this.#crashes = [...options.crashes]
    this.#random = options.random
    this.disk = new SimulatedDisk((operation) => this.#tick(operation))
    for (const [path, text] of planted(this.move)) this.disk.plant(path, text)
    for (const folder of plantedFolders) this.disk.plantFolder(folder)
    this.#manager = this.#definitions()
    this.#startUnits(this.#startedAtBoot())
  }

  /** The engine's process, when it runs. */
  get engine(): NodeEngine | undefined {
    return this.#process?.alive ? this.#process.engine : undefined
  }

  /** What the engine would answer, without the engine noticing that it was asked. */
  get answer(): NodeRuntimeStatus | undefined {
    return this.#process?.alive ? this.#process.ledger?.answer : undefined
  }

  get journalOpen(): boolean {
    return this.disk.peek(`${stateFolder}/journal`) !== undefined
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** All of what turns, whoever reads it. */
  content(): string {
    return this.#turned((path) => this.disk.peek(path)?.toString())
  }

  #turned(read: (path: string) => string | undefined, unit?: UnitName): string {
    const turns = this.move.turns.filter((turn) => unit === undefined || turn.unit === unit)
    if (turns.every(({ path, from }) => read(path) === from)) return 'old'
    if (turns.every(({ path, to }) => read(path) === to)) return 'new'
    return `between (${turns.map(({ path }) => `${path}: ${read(path) ?? '-'}`).join(', ')})`
  }

  #definitions(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const path of Object.values(definitions).flat()) {
      const text = this.disk.peek(path)?.toString()
      if (text !== undefined) found.set(path, text)
    }
    return found
  }

  isEnabled(name: UnitName): boolean {
    return this.disk.peek(linkOf(name)) !== undefined
  }

  #startedAtBoot(): readonly UnitName[] {
    return unitNames.filter((name) => this.isEnabled(name))
  }

  /** The engine that the kubelet talks to. */
  get serving(): 'a.service' | 'b.service' {
    // Nobody's kubelet uses the only engine.
    if (this.move.hasNoKubelet) return 'b.service'
    const isMoved = this.move.from.name !== this.move.to.name && this.units.kubelet.loaded === 'new'
    return isMoved ? 'b.service' : 'a.service'
  }

  /** What is part of the kubelet rests with it. */
  #hasCri(endpoint: string): boolean {
    return endpoint !== 'unix:///shim' || this.units.kubelet.active
  }

  #engineAt(endpoint: string): 'a.service' | 'b.service' {
    return endpoint === 'unix:///b' ? 'b.service' : 'a.service'
  }

  /** The node's own tasks: what systemd does. Call it until nothing is left to do, between events. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate)
      const crash = this.#crashed
      if (!crash || this.#isBooting) return this.#observe()
      this.#crashed = undefined
      await this.#recover(crash)
    }
  }

  /** Moves time to the next thing that waits for it; false when nothing does before `untilMs`. */
  advance(untilMs: number): boolean {
    this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
    const next = this.#timers[0]
    if (!next || next.atMs > untilMs) return false
    this.#timers.shift()
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    next.fire()
    return true
  }

  /** Once; what is freed afterwards may be used. */
  fillDisk(): void {
    if (this.disk.free === Number.POSITIVE_INFINITY) this.disk.free = 0
  }

  /** A timer of the world outside of the node. */
  after(ms: number, fire: () => void): void {
    this.#timers.push({ atMs: this.#nowMs + ms, order: this.#timerCount++, fire })
  }

  /** systemd starts the engine at the first connection. */
  async demandEngine(): Promise<void> {
    // At boot the engine comes after the units that it works with.
    if (!this.#process?.alive && !this.#isBooting) await this.#startEngine()
  }

  /** Off and on again, at rest. */
  async cutPower(): Promise<void> {
    if (this.#process) this.#process.alive = false
    await this.#recover({ at: 0, kind: 'power' })
    await this.settle()
  }

  async #recover({ kind }: Crash): Promise<void> {
    this.trace.push(`-- ${kind}`)
    if (kind === 'kill') return this.#startEngine()
    this.#isBooting = true
    this.boots++
    this.#bootedMs = this.#nowMs
    this.#nowMs += 5000
    for (const unit of Object.values(this.units)) unit.active = false
    this.pods = []
    this.disk.powerCut(this.#random)
    // systemd chooses what this boot starts before anything has run.
    this.#manager = this.#definitions()
    const chosen = this.#startedAtBoot()
    if (this.disk.peek(`${stateFolder}/journal`)) await this.#bootUnit()
    this.#isBooting = false
    if (this.#crashed?.kind === 'power') return
    this.#crashed = undefined
    this.#startUnits(chosen)
    if (this.disk.peek(`${stateFolder}/journal`)) await this.#startEngine()
  }

  async #bootUnit(): Promise<void> {
    const process: Process = { alive: true, stop: new AbortController() }
    this.#process = process
    const { store, host, clock } = this.#inside(process)
    let done = false
    const ended = restoreAtBoot({ store, host, clock, log: silentLog }).catch(() => undefined)
    void ended.then(() => {
      done = true
    })
    while (!done && process.alive) await new Promise(setImmediate)
    process.alive = false
  }

  async #startEngine(): Promise<void> {
    const process: Process = { alive: true, stop: new AbortController() }
    this.#process = process
    this.#lastPhase = undefined
    const { clock, host, runtime, provisions, store } = this.#inside(process)
    void Ledger.open(store, clock, 'machine').then((ledger) => {
      const parts = {
        clock,
        host,
        store,
        runtime,
        provisions,
        log: silentLog,
        kubeletHealthy: async () => this.#kubeletHealthy(),
        plan: (order: Order, pasts: Pasts, memory: Memory) =>
          this.#inProcess(process, 'plan', () => this.#plan(order, pasts, memory)),
        look: async () => ({}),
        residue: async () => [],
        tidy: async () => {},
        remove: async () => {},
        machineID: 'machine',
        version: '0',
      }
      process.ledger = ledger
      process.engine = new NodeEngine(parts, ledger, process.stop.signal)
      void process.engine.run()
    })
  }

  #inside(process: Process): {
    store: Store
    host: Host
    clock: BootClock
    runtime: Runtime
    provisions: Provisions
  } {
    const disk = this.disk
    const clock = this.#clock(process)
    const call = async <T>(name: string, act: () => T | Promise<T>): Promise<T> => {
      const ms = durationsMs[name.split(/[ ,]/)[0]!]
      // Nothing moves time on while the boot unit runs.
      await this.#inProcess(process, name, () => (ms === undefined ? undefined : clock.sleep(ms)))
      return this.#inProcess(process, `${name}, done`, act)
    }
    const host: Host = {
      readFile: (path) => disk.read(path),
      listFolder: (path) => disk.list(path),
      realPath: (path) => disk.resolve(path),
      isExecutable: async () => true,
      isWritable: async () => true,
      mode: async () => 0o644,
      freeBytes: async () => 1e9,
      replaceFile: (path, bytes) => replaceFile(disk, path, bytes),
      removeFile: (path) => removeFile(disk, path),
      removeFolder: (path) => removeFolder(disk, path),
      makeDurable: (path) => makeDurable(disk, path),
      discardUnfinished: (path) => discardUnfinished(disk, path),
      run: async () => ({ code: 0, stdout: '', stderr: '' }),
      unit: (name) => call(`unit ${name}`, () => this.#unitState(name as UnitName)),
      startUnit: (name) => call(`start ${name}`, () => this.#startUnit(name as UnitName)),
      stopUnit: (name) => call(`stop ${name}`, () => this.#stopUnit(name as UnitName)),
      setEnabled: (names, enabled) => this.#setEnabled(names as readonly UnitName[], enabled),
      daemonReload: () =>
        call('reload', () => {
          this.#manager = this.#definitions()
        }),
    }
    const runtime: Runtime = {
      ready: (endpoint, limit) => call('ready', () => this.#ready(endpoint, clock, limit)),
      pods: (endpoint) =>
        call('pods', () => {
          if (!this.units[this.#engineAt(endpoint)].active) throw new Error('The engine does not answer.')
          if (this.units.kubelet.active) this.violations.push('pods were counted while the kubelet makes them')
          return this.pods.map(({ id }) => id)
        }),
      removePods: (endpoint, _limit, kept) =>
        call('remove pods', () => {
          if (!this.#hasCri(endpoint)) throw new Error('CRI does not answer.')
          return this.#removePods(this.#engineAt(endpoint), kept)
        }),
      pullMissing: (endpoint, image) => call(`pull ${image}`, () => this.#pullMissing(endpoint, image)),
      prove: (endpoint, wanted) =>
        call('prove', () => {
          if (!this.#hasCri(endpoint)) throw new Error('CRI does not answer.')
          return this.#prove(this.#engineAt(endpoint), wanted)
        }),
    }
    const provisions: Provisions = {
      install: (change) => call('packages, install', () => this.#setPackages(change, 'to')),
      restore: (change) => call('packages, restore', () => this.#setPackages(change, 'from')),
      // By the engine's own means.
      removePods: () => call('remove pods', () => this.#removePods('a.service')),
      exportImages: (_from, images) =>
        call('export images', async () => {
          const text = images.names.join(' ')
          await this.#put(images.archive, text)
          return text.length
        }),
      importImages: (_to, images) => call('import images', () => this.#importImages(images.archive)),
    }
    return { store: new Store(disk, stateFolder), host, clock, runtime, provisions }
  }

  async #put(path: string, text: string | undefined): Promise<void> {
    await this.disk.unlink(path)
    if (text !== undefined) {
      await this.disk.create(path, Buffer.from(text))
      await this.disk.sync(path)
    }
    await this.disk.sync(dirname(path))
  }

  async #setPackages(change: PackageChange, which: 'from' | 'to'): Promise<void> {
    const stopped = ['a.service', 'b.service'].every(
      (name) => !change.install.some((each) => each.name === name) || !this.units[name as UnitName].active,
    )
    if (!stopped) this.violations.push('a package was changed under a unit that runs')
    for (const turn of this.move.turns.filter(({ isPackaged }) => isPackaged)) {
      await this.#put(turn.path, turn[which])
      if (which === 'to' && this.fault === 'packages do not install') throw new Error('the package is broken')
    }
    this.#manager = this.#definitions()
  }

  async #importImages(path: string): Promise<number> {
    const bytes = await this.disk.read(path)
    if (!bytes) throw new Error('there is no archive')
    if (this.fault === 'images do not import') throw new Error('the archive is broken')
    for (const name of bytes.toString().split(' ')) this.stores['b.service'].add(name)
    return bytes.length
  }

  #pullMissing(endpoint: string, image: string): void {
    const store = this.stores[this.#engineAt(endpoint)]
    if (!store.has(image) && this.move.carriesImages)
      this.violations.push(`${image} was pulled although it was carried`)
    store.add(image)
  }

  async #setEnabled(names: readonly UnitName[], enabled: boolean): Promise<void> {
    for (const name of names) {
      if (!this.#definition(name)) throw new Error(`there is no unit ${name}`)
      if (enabled === this.isEnabled(name)) continue
      await (enabled ? this.disk.create(linkOf(name), Buffer.from('')) : this.disk.unlink(linkOf(name)))
      // A link has no bytes of its own that could be lost.
      if (enabled) await this.disk.sync(linkOf(name))
    }
    await this.disk.sync(dirname(linkOf('kubelet')))
    this.#manager = this.#definitions()
  }

  #clock(process: Process): BootClock {
    const boot = `boot-${this.boots}`
    const monotonicMs = (): number => this.#nowMs - this.#bootedMs
    return {
      now: () => new Date(this.#nowMs),
      monotonicMs,
      instant: () => ({ boot, monotonicMs: monotonicMs(), wall: new Date(this.#nowMs).toISOString() }),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const end = (): void => {
            this.#timers = this.#timers.filter((each) => each !== timer)
            signal?.removeEventListener('abort', end)
            if (process.alive) resolve()
          }
          const timer = { atMs: this.#nowMs + ms, order: this.#timerCount++, fire: end }
          if (signal?.aborted) return end()
          signal?.addEventListener('abort', end, { once: true })
          this.#timers.push(timer)
        }),
    }
  }

  async #inProcess<T>(process: Process, name: string, act: () => T | Promise<T>): Promise<T> {
    if (!process.alive) return never()
    await this.#tick(name)
    if (!process.alive) return never()
    return act()
  }

  /** One point at which everything can end. The disk does not know processes: only one of them lives at a time. */
  async #tick(operation: string): Promise<void> {
    if (this.#crashed) return never()
    const next = this.#crashes[0]
    this.operations++
    this.trace.push(operation)
    if (next && this.operations >= next.at && this.#process) {
      this.#crashes.shift()
      this.#crashed = next
      this.#process.alive = false
      return never()
    }
    const process = this.#process
    await Promise.resolve()
    if (process && (!process.alive || process !== this.#process)) return never()
  }

  #startUnits(names: readonly UnitName[]): void {
    for (const name of names) {
      try {
        this.#startUnit(name)
      } catch {
        // As at a boot: the machine comes up without it.
      }
    }
  }

  /** The unit file that systemd goes by. */
  #definition(name: UnitName): string | undefined {
    return definitions[name].find((path) => this.#manager.has(path))
  }

  #unitState(name: UnitName): UnitState {
    const unit = this.units[name]
    // One that ends with an error when it is told to stop is left as failed.
    const stopped = unit.invocation % 2 === 0 ? 'inactive' : 'failed'
    const activeState = unit.active ? 'active' : stopped
    const invocationId = String(unit.invocation)
    const isThere = this.#definition(name) !== undefined
    const state = this.isEnabled(name) ? 'enabled' : 'disabled'
    const rest = { subState: '', mainPid: 1, execStart: '', files: [], enabled: isThere ? state : '' }
    return { loadState: isThere ? 'loaded' : 'not-found', activeState, invocationId, ...rest }
  }

  /** What a start would load. */
  #config(name: UnitName): string {
    const units = new Set(Object.values(definitions).flat())
    const read = (path: string): string | undefined =>
      units.has(path) ? this.#manager.get(path) : this.disk.peek(path)?.toString()
    return this.#turned(read, name)
  }

  #isBroken(name: UnitName, loaded: string): boolean {
    const isNew = loaded === 'new'
    if (name === 'kubelet') return isNew && this.fault === 'kubelet does not start'
    return isNew && name === this.#engineAt(this.move.to.endpoint) && this.fault === 'engine does not start'
  }

  #startUnit(name: UnitName): void {
    const unit = this.units[name]
    if (unit.active) return
    const loaded = this.#config(name)
    // A newer program reads an older file.
    const isMixed = loaded !== 'old' && loaded !== 'new' && !this.move.turns.some(({ isPackaged }) => isPackaged)
    if (!this.#definition(name) || isMixed || this.#isBroken(name, loaded)) {
      throw new Error(`${name} does not start: ${loaded}`)
    }
    const needsHelp = name === 'a.service' && this.move.running.includes('b.service')
    if (needsHelp && !this.units['b.service'].active) throw new Error('a.service needs b.service')
    unit.active = true
    unit.invocation++
    unit.loaded = loaded
    this.#makePod()
  }

  #makePod(): void {
    const engine = this.serving
    if (!this.units.kubelet.active || !this.units[engine].active) return
    const isEarly = this.boots === 1 && this.operations === 0
    this.pods.push({ engine, loaded: this.units[engine].loaded, id: String(this.#podsMade++), isEarly })
  }

  #stopUnit(name: UnitName): void {
    if (this.move.previous === 'keep' && name.startsWith('a.')) {
      this.violations.push('the former engine was stopped under others')
    }
    if (name === 'b.service' && this.units['a.service'].active && this.move.running.includes(name)) {
      this.violations.push('b.service was stopped under a.service')
    }
    this.units[name].active = false
  }

  #kubeletHealthy(): boolean {
    const { kubelet } = this.units
    const engine = this.units[this.serving]
    if (!kubelet.active || !engine.active) return false
    const isOnePair = this.move.action === 'DrainRestart' || this.move.action === 'DrainSwitch'
    if (isOnePair && this.serving === this.#engineAt(this.move.to.endpoint) && kubelet.loaded !== engine.loaded)
      return false
    return !(this.fault === 'kubelet is never healthy' && (kubelet.loaded === 'new' || engine.loaded === 'new'))
  }

  async #ready(endpoint: string, clock: BootClock, limit: Limit): Promise<void> {
    for (;;) {
      const { active, loaded } = this.units[this.#engineAt(endpoint)]
      if (active && this.#hasCri(endpoint) && !(loaded === 'new' && this.fault === 'CRI does not answer')) return
      if (limit.signal.aborted) throw new Error('The engine did not become ready.')
      await clock.sleep(100, limit.signal)
    }
  }

  #removePods(engine: 'a.service' | 'b.service', kept: readonly string[] = []): number {
    if (!this.units[engine].active) throw new Error('The engine does not answer.')
    const goes = (pod: Pod): boolean => pod.engine === engine && !kept.includes(pod.id)
    const gone = this.pods.filter(goes)
    const isDrained = this.move.action.startsWith('Drain') || this.answer?.revision === 'original'
    if (!isDrained && gone.some(({ isEarly }) => isEarly)) this.violations.push('a pod was removed without a drain')
    this.pods = this.pods.filter((pod) => !goes(pod))
    return gone.length
  }

  #prove(name: 'a.service' | 'b.service', wanted: Expectation): Verification {
    const engine = this.units[name]
    const is = engine.loaded === 'new' ? 'systemd' : 'cgroupfs'
    const passed =
      engine.active &&
      !this.units.kubelet.active &&
      this.stores[name].has(agent) &&
      is === wanted.cgroupDriver &&
      !(engine.loaded === 'new' && this.fault === 'proof fails')
    if (passed) engine.proven = engine.invocation
    if (engine.loaded === 'new' && this.fault === 'engine flaps') engine.invocation++
    const said = passed ? {} : { message: 'no pod ran' }
    return { passed, time: new Date(this.#nowMs).toISOString(), durationMilliseconds: 1, ...said }
  }

  #plan(order: Order, pasts: Pasts, memory: Memory): { observed: object; plan: Planned } {
    const isBack = order.target === undefined
    const edits = this.move.turns
      .filter(({ isPackaged }) => !isPackaged)
      .map(({ path, to }) => {
        const before = this.disk.peek(path)
        const past = pasts.get(path)
        const original = past ? past.original : before
        return { path, before, after: isBack ? original : to === undefined ? undefined : Buffer.from(to), original }
      })
      .filter(({ before, after }) => before?.toString() !== after?.toString())
    const isThere = this.content() === 'new'
    const here = isThere ? this.move.to : this.move.from
    const origin = isBack ? memory.origin : undefined
    const there = isBack ? (origin?.side ?? here) : this.move.to
    const expectation = (isNew: boolean): Expectation => ({
      handlers: [{ name: 'runc', default: true }],
      cgroupVersion: 'v1',
      cgroupDriver: isNew ? 'systemd' : 'cgroupfs',
    })
    const former = expectation(isThere && this.move.turns.length > 0)
    const states = new Map(unitNames.map((name) => [name as string, this.#unitState(name)]))
    const names = [agent, 'app']
    const packages = this.#packageStep(order, memory)
    const isExchange = here.name !== there.name
    const change = {
      // Pods of a newer engine do not stay with an older one.
      action: isBack && here.version !== there.version && !isExchange ? 'DrainRestart' : this.move.action,
      from: here,
      to: there,
      units: unitChanges({ from: here, to: there, states, previous: this.move.previous, ...(origin && { origin }) }),
      ...(packages && { packages }),
      ...(this.move.carriesImages && isExchange && !isBack && { images: { names, archive } }),
      ...(!this.move.hasNoKubelet && { kubeletUnit: 'kubelet', healthz: { address: '127.0.0.1', port: 10248 } }),
      image: agent,
      wanted: this.move.turns.length === 0 ? former : expectation(!isBack),
      ...(here.name !== 'none' && !here.isInKubelet && { former }),
    }
    return { observed: {}, plan: { edits, change, changes: [], notes: [] } }
  }

  #packageStep(order: Order, memory: Memory): Planned['change']['packages'] {
    if (!order.target) return memory.packages && { act: 'restore', change: memory.packages }
    const units = this.move.turns.filter(({ isPackaged }) => isPackaged).map(({ unit }) => unit)
    if (units.length === 0) return undefined
    const install = [...new Set<string>(units)].map((name) => ({ name, version: '2', archive: `/${name}.deb` }))
    const change: PackageChange = { manager: 'apt', install, former: [], held: [], brought: [] }
    return { act: 'install', change, taken: change }
  }

  /** What was once written down as the end of a change is the answer for good. */
  #checkMemory(phase: string): void {
    const state = this.disk.peek(`${stateFolder}/state.json`)?.toString() ?? '{}'
    const { answer, closed } = JSON.parse(state) as { answer?: NodeRuntimeStatus; closed?: string }
    const journal = this.disk.peek(`${stateFolder}/journal`)?.toString() ?? ''
    const isVoid = closed !== undefined && journal.includes(`"id":"${closed}"`)
    if (isVoid && phase !== answer?.phase) this.violations.push(`${phase} is claimed, after ${answer?.phase} was final`)
  }

  /** What must hold whenever the engine claims something anew. */
  #observe(): void {
    const phase = this.answer?.phase
    if (!phase || phase === this.#lastPhase) return
    const isFirst = this.#lastPhase === undefined
    this.#lastPhase = phase
    if (isFirst) this.#checkMemory(phase)
    else if (phase === 'Proven' || phase === 'Committed' || phase === 'RolledBack') this.#checkClaim(phase)
  }

  #checkClaim(phase: string): void {
    const { kubelet } = this.units
    const engine = this.units[this.serving]
    const isGone = this.move.from.name === 'none' && this.content() === 'old'
    const claim = (holds: boolean, sentence: string): void => {
      if (!holds) this.violations.push(`${phase} is claimed, but ${sentence}`)
    }
    for (const fault of this.unitFaults()) claim(false, fault)
    if (isGone) return
    claim(engine.active && engine.loaded === this.#config(this.serving), 'the engine runs with something else')
    const isKubeletRight = kubelet.active && kubelet.loaded === this.#config('kubelet')
    claim(this.move.hasNoKubelet || isKubeletRight, 'the kubelet runs with something else')
    const isDisturbed = this.answer?.steps?.some(({ name }) => name.endsWith('stop-kubelet'))
    const isAsked = this.serving === 'b.service' || !this.move.from.isInKubelet
    claim(
      !isAsked || !isDisturbed || engine.proven === engine.invocation || this.fault === 'engine flaps',
      'the engine was not proven since it started',
    )
    claim(this.move.hasNoKubelet || this.#kubeletHealthy(), 'the kubelet is not healthy')
    const isDrained = this.move.action.startsWith('Drain')
    const foreign = this.pods.some((pod) => pod.engine !== this.serving || pod.loaded !== engine.loaded)
    claim(!isDrained || !foreign, 'pods of the other configuration still run')
    const isOlder = this.move.from.version !== this.move.to.version && engine.loaded === 'old'
    claim(!isOlder || !this.pods.some(({ loaded }) => loaded === 'new'), 'pods of the newer engine still run')
  }

  /** Which units run and start at boot must fit to which engine the kubelet uses. */
  unitFaults(): readonly string[] {
    const { from, to, previous, running } = this.move
    if (from.name === to.name) return []
    if (this.move.hasNoKubelet && this.units.kubelet.invocation > 0)
      return ['a kubelet was started that had not joined']
    const isNew = this.move.hasNoKubelet ? this.content() === 'new' : this.serving === 'b.service'
    const must = (name: UnitName): boolean => {
      if (this.move.hasNoKubelet) return name === 'b.service' && isNew
      if (name === 'b.service') return isNew || running.includes(name)
      return name === 'kubelet' || !isNew || previous === 'keep'
    }
    return unitNames.flatMap((name) => [
      ...(this.units[name].active === must(name) ? [] : [`${name} ${must(name) ? 'does not run' : 'runs'}`]),
      ...(this.isEnabled(name) === must(name) ? [] : [`${name} is ${must(name) ? 'not ' : ''}enabled`]),
    ])
  }
}
