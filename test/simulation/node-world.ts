/**
 * One node in a box: disk, units, pods, kubelet, time. The real engine runs on it; every call of the engine into the box
 * is a point at which it can be killed, or the machine can lose power.
 */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { silentLog } from '../../kube/log.ts'
import { restoreAtBoot } from '../../node-agent/engine/boot.ts'
import { NodeEngine } from '../../node-agent/engine/engine.ts'
import { Ledger } from '../../node-agent/engine/ledger.ts'
import type { Planned } from '../../node-agent/engine/prepare.ts'
import type { Action, Pasts } from '../../node-agent/engines/engine.ts'
import type { BootClock } from '../../node-agent/host/boot-clock.ts'
import { discardUnfinished, makeDurable, removeFile, replaceFile } from '../../node-agent/host/durable.ts'
import type { Host, UnitState } from '../../node-agent/host/host.ts'
import type { Expectation, Order, Verification } from '../../node-agent/journal/records.ts'
import { Store } from '../../node-agent/journal/store.ts'
import type { Limit, Runtime } from '../../node-agent/steps/step.ts'
import { type Random, SimulatedDisk } from './node-disk.ts'

export const engineFile = '/etc/engine.toml'
export const kubeletFile = '/var/lib/kubelet/config.yaml'
export const dropInFile = '/etc/engine.d/extra.toml'
export const stateFolder = '/var/lib/drydock'

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
const durationsMs: Readonly<Record<string, number>> = { start: 300, stop: 200, prove: 2000, remove: 500 }

const never = new Promise<never>(() => {})

export class World {
  readonly disk: SimulatedDisk
  readonly action: Action
  readonly fault: Fault
  readonly trace: string[] = []
  readonly units: Record<'engine' | 'kubelet', Unit> = {
    engine: { active: false, invocation: 0, loaded: undefined, proven: 0 },
    kubelet: { active: false, invocation: 0, loaded: undefined, proven: 0 },
  }
  pods: string[] = []
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

  constructor(options: { action: Action; fault: Fault; crashes: readonly Crash[]; random: Random }) {
    this.action = options.action
    this.fault = options.fault
    this.#crashes = [...options.crashes]
    this.#random = options.random
    this.disk = new SimulatedDisk((operation) => this.#tick(operation))
    this.disk.plant(engineFile, 'old')
    this.disk.plant(kubeletFile, 'old')
    this.#startUnits()
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

  content(): string {
    const text = (path: string): string => this.disk.peek(path)?.toString() ?? '-'
    return `${text(engineFile)} ${text(dropInFile)} ${text(kubeletFile)}`
  }

  /** The node's own tasks: what systemd does. Call it until nothing is left to do, between events. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate)
      const crash = this.#crashed
      if (!crash) return this.#observe()
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
    if (!this.#process?.alive) await this.#startEngine()
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
    this.boots++
    this.#bootedMs = this.#nowMs
    this.#nowMs += 5000
    for (const unit of Object.values(this.units)) unit.active = false
    this.pods = []
    this.disk.powerCut(this.#random)
    if (this.disk.peek(`${stateFolder}/journal`)) await this.#bootUnit()
    if (this.#crashed?.kind === 'power') return
    this.#crashed = undefined
    this.#startUnits()
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
    const { clock, host, runtime, store } = this.#inside(process)
    void Ledger.open(store, clock, 'machine').then((ledger) => {
      const parts = {
        clock,
        host,
        store,
        runtime,
        log: silentLog,
        kubeletHealthy: async () => this.#kubeletHealthy(),
        plan: (order: Order, pasts: Pasts) => this.#plan(process, order, pasts),
        look: async () => ({}),
        remove: async () => {},
        machineID: 'machine',
        version: '0',
      }
      process.ledger = ledger
      process.engine = new NodeEngine(parts, ledger, process.stop.signal)
      void process.engine.run()
    })
  }

  #inside(process: Process): { store: Store; host: Host; clock: BootClock; runtime: Runtime } {
    const disk = this.disk
    const clock = this.#clock(process)
    const call = async <T>(name: string, act: () => T | Promise<T>): Promise<T> => {
      await this.#inProcess(process, name, () => clock.sleep(durationsMs[name.split(' ')[0]!] ?? 0))
      return this.#inProcess(process, `${name}, done`, act)
    }
    const host: Host = {
      readFile: (path) => disk.read(path),
      listFolder: (path) => disk.list(path),
      realPath: async (path) => path,
      isExecutable: async () => true,
      freeBytes: async () => 1e9,
      replaceFile: (path, bytes) => replaceFile(disk, path, bytes),
      removeFile: (path) => removeFile(disk, path),
      makeDurable: (path) => makeDurable(disk, path),
      discardUnfinished: (path) => discardUnfinished(disk, path),
      run: async () => ({ code: 0, stdout: '', stderr: '' }),
      unit: (name) => call(`unit ${name}`, () => this.#unitState(name)),
      startUnit: (name) => call(`start ${name}`, () => this.#startUnit(name)),
      stopUnit: (name) => call(`stop ${name}`, () => this.#stopUnit(name)),
    }
    const runtime: Runtime = {
      ready: (_endpoint, limit) => call('ready', () => this.#ready(clock, limit)),
      removePods: (_endpoint) => call('remove pods', () => this.#removePods()),
      prove: (_endpoint, wanted) => call('prove', () => this.#prove(wanted)),
    }
    return { store: new Store(disk, stateFolder), host, clock, runtime }
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
    if (!process.alive) return never
    await this.#tick(name)
    if (!process.alive) return never
    return act()
  }

  /** One point at which everything can end. The disk does not know processes: only one of them lives at a time. */
  async #tick(operation: string): Promise<void> {
    if (this.#crashed) return never
    const next = this.#crashes[0]
    this.operations++
    this.trace.push(operation)
    if (next && this.operations >= next.at && this.#process) {
      this.#crashes.shift()
      this.#crashed = next
      this.#process.alive = false
      return never
    }
    const process = this.#process
    await Promise.resolve()
    if (process && (!process.alive || process !== this.#process)) return never
  }

  #startUnits(): void {
    for (const name of ['engine', 'kubelet'] as const) {
      try {
        this.#startUnit(name)
      } catch {
        // As at a boot: the machine comes up without it.
      }
    }
  }

  #unitState(name: string): UnitState {
    const unit = this.units[name as 'engine' | 'kubelet']
    // One that ends with an error when it is told to stop is left as failed.
    const stopped = unit.invocation % 2 === 0 ? 'inactive' : 'failed'
    const activeState = unit.active ? 'active' : stopped
    const invocationId = String(unit.invocation)
    return { loadState: 'loaded', activeState, subState: '', invocationId, mainPid: 1, execStart: '', files: [] }
  }

  #config(name: string): string {
    const text = (path: string): string => this.disk.peek(path)?.toString() ?? '-'
    if (name === 'kubelet') return text(kubeletFile)
    const both = `${text(engineFile)} ${text(dropInFile)}`
    return both === 'new new' ? 'new' : both === 'old -' ? 'old' : `between (${both})`
  }

  #startUnit(name: string): void {
    const unit = this.units[name as 'engine' | 'kubelet']
    if (unit.active) return
    const loaded = this.#config(name)
    const broken = loaded === 'new' && this.fault === `${name} does not start`
    if (broken || (loaded !== 'old' && loaded !== 'new')) throw new Error(`${name} does not start: ${loaded}`)
    unit.active = true
    unit.invocation++
    unit.loaded = loaded
    if (this.units.kubelet.active && this.units.engine.active) this.pods.push(this.units.engine.loaded!)
  }

  #stopUnit(name: string): void {
    this.units[name as 'engine' | 'kubelet'].active = false
  }

  #kubeletHealthy(): boolean {
    const { engine, kubelet } = this.units
    if (!kubelet.active || !engine.active || kubelet.loaded !== engine.loaded) return false
    return !(kubelet.loaded === 'new' && this.fault === 'kubelet is never healthy')
  }

  async #ready(clock: BootClock, limit: Limit): Promise<void> {
    for (;;) {
      const { active, loaded } = this.units.engine
      if (active && !(loaded === 'new' && this.fault === 'CRI does not answer')) return
      if (limit.signal.aborted) throw new Error('The engine did not become ready.')
      await clock.sleep(100, limit.signal)
    }
  }

  #removePods(): number {
    if (!this.units.engine.active) throw new Error('The engine does not answer.')
    return this.pods.splice(0).length
  }

  #prove(wanted: Expectation): Verification {
    const { engine, kubelet } = this.units
    const is = engine.loaded === 'new' ? 'systemd' : 'cgroupfs'
    const passed =
      engine.active &&
      !kubelet.active &&
      is === wanted.cgroupDriver &&
      !(engine.loaded === 'new' && this.fault === 'proof fails')
    if (passed) engine.proven = engine.invocation
    if (engine.loaded === 'new' && this.fault === 'engine flaps') engine.invocation++
    return { passed, time: new Date(this.#nowMs).toISOString(), durationMilliseconds: 1, message: 'no pod ran' }
  }

  async #plan(process: Process, order: Order, pasts: Pasts): Promise<{ observed: object; plan: Planned }> {
    return this.#inProcess(process, 'plan', () => {
      const edit = (path: string, wanted: string | undefined) => {
        const before = this.disk.peek(path)
        const past = pasts.get(path)
        const original = past ? past.original : before
        const after = order.target ? wanted && Buffer.from(wanted) : original
        return { path, before, after: after || undefined, original }
      }
      const all = [edit(engineFile, 'new'), edit(dropInFile, 'new'), edit(kubeletFile, 'new')]
      const edits =
        this.action === 'None' ? [] : all.filter(({ before, after }) => before?.toString() !== after?.toString())
      const handlers = [{ name: 'runc', default: true }]
      const isNew = this.disk.peek(engineFile)?.toString() === 'new'
      const driver = (systemd: boolean): Expectation['cgroupDriver'] => (systemd ? 'systemd' : 'cgroupfs')
      const former: Expectation = { handlers, cgroupVersion: 'v1', cgroupDriver: driver(isNew) }
      const wanted = this.action === 'None' ? former : { ...former, cgroupDriver: driver(order.target !== undefined) }
      const side = { name: 'containerd', units: ['engine'], endpoint: 'unix:///engine.sock' } as const
      const change = {
        action: this.action,
        from: side,
        to: side,
        kubeletUnit: 'kubelet',
        healthz: { address: '127.0.0.1', port: 10248 },
        image: 'agent',
        wanted,
        former,
      }
      return { observed: {}, plan: { edits, change, changes: [] } }
    })
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
    const { engine, kubelet } = this.units
    const claim = (holds: boolean, sentence: string): void => {
      if (!holds) this.violations.push(`${phase} is claimed, but ${sentence}`)
    }
    claim(engine.active && engine.loaded === this.#config('engine'), 'the engine runs with something else')
    claim(kubelet.active && kubelet.loaded === this.#config('kubelet'), 'the kubelet runs with something else')
    claim(
      engine.proven === engine.invocation || this.fault === 'engine flaps',
      'the engine was not proven since it started',
    )
    claim(this.#kubeletHealthy(), 'the kubelet is not healthy')
    const foreign = this.action === 'DrainRestart' && this.pods.some((pod) => pod !== engine.loaded)
    claim(!foreign, 'pods of the other configuration still run')
  }
}
