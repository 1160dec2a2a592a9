/** One machine: files, two units, the real node engine behind its socket, and what can happen to them. */
import { dirname } from 'node:path'
import type { NodeRuntimeStatus } from '../../../crds/types.gen.ts'
import { silentLog } from '../../../kube/log.ts'
import { type EngineState, OrderRefused } from '../../../node-agent/courier/engine-client.ts'
import { restoreAtBoot } from '../../../node-agent/engine/boot.ts'
import { NodeEngine, OldFence } from '../../../node-agent/engine/engine.ts'
import { Ledger } from '../../../node-agent/engine/ledger.ts'
import type { Planned } from '../../../node-agent/engine/prepare.ts'
import { replay } from '../../../node-agent/engine/work.ts'
import type { Pasts, Refusal } from '../../../node-agent/engines/engine.ts'
import type { BootClock } from '../../../node-agent/host/boot-clock.ts'
import type { Disk } from '../../../node-agent/host/disk.ts'
import { discardUnfinished, makeDurable, removeFile, replaceFile } from '../../../node-agent/host/durable.ts'
import type { Host, UnitState } from '../../../node-agent/host/host.ts'
import { decodeLines } from '../../../node-agent/journal/lines.ts'
import type { Expectation, JournalRecord, Order, Verification } from '../../../node-agent/journal/records.ts'
import { Store } from '../../../node-agent/journal/store.ts'
import type { Limit, Runtime } from '../../../node-agent/steps/step.ts'
import { clockOf, type MachineTime, Process, type Random, type Schedule } from './schedule.ts'

export const engineFile = '/etc/engine'
export const kubeletFile = '/var/lib/kubelet/config'
const stateFolder = '/d'
const journalFile = `${stateFolder}/journal`

/** What does not work, and since when it does again. A former state that is broken too is Failed by right. */
export type Trouble = 'engine does not start' | 'proof fails' | 'kubelet is not healthy' | 'refuses' | 'former broken'

export type Change = 'Restart' | 'DrainRestart'

interface Unit {
  active: boolean
  invocation: number
  /** What it read when it started. */
  loaded: string
}

export interface MachineOptions {
  readonly name: string
  readonly id: string
  readonly schedule: Schedule
  readonly random: Random
  readonly change: Change
  readonly mutant: MachineMutant
  readonly witness: Witness
}

/** What only mutants do to a machine. */
export interface MachineMutant {
  readonly acceptsOldFence?: boolean
  readonly skipsRollback?: boolean
  readonly skipsBootRecovery?: boolean
  readonly skipsProof?: boolean
  readonly runsForeignOrders?: boolean
}

/** Whoever watches that the invariants hold. */
export interface Witness {
  opened(machine: Machine, order: Order, action: string): void
  closed(machine: Machine): void
  booted(machine: Machine): void
  accepted(machine: Machine, order: Order, knownFence: number): void
  says(machine: Machine, what: string): void
}

const original = 'cgroupfs runc'
/** What another tool makes of the files. */
const drifted = 'cgroupfs other runc'

/** What a configuration is worth. */
export const driverOf = (text: string): 'systemd' | 'cgroupfs' => (text.startsWith('systemd') ? 'systemd' : 'cgroupfs')
export const handlersOf = (text: string): string[] => text.split(' ').slice(1)
export const versionOf = (text: string): string =>
  text === original ? '1.7.0' : `2.${handlersOf(text).length}.${text.length}`

const never = new Promise<never>(() => {})

export class Machine {
  readonly name: string
  readonly id: string
  readonly change: Change
  readonly files = new Map<string, Buffer>()
  readonly units: Record<'engine' | 'kubelet', Unit>
  readonly time: MachineTime
  readonly troubles = new Map<Trouble, number>()
  isUp = true
  boots = 1
  process: Process
  engine: NodeEngine | undefined
  ledger: Ledger | undefined
  /** The engine dies at its so many-th write to the disk. */
  crashIn = 0
  /** The engine unit's start that was proven last, and with what. */
  proven = { invocation: 0, content: '' }
  invocationAtOpening = 0
  /** The highest fence that the disk knows. */
  fence = 0
  readonly past: Order[] = []
  readonly #options: MachineOptions
  #former: { engine: string; kubelet: string } | undefined
  #wantsEngine: ((engine: NodeEngine | undefined) => void)[] = []
  #runs = 0
  #sound = original

  constructor(options: MachineOptions) {
    this.#options = options
    this.name = options.name
    this.id = options.id
    this.change = options.change
    this.time = { skewMs: 0, bootedAtMs: options.schedule.nowMs - 500 }
    this.process = new Process(`${options.name} engine`)
    this.process.alive = false
    this.files.set(engineFile, Buffer.from(original))
    this.files.set(kubeletFile, Buffer.from(original))
    this.units = {
      engine: { active: true, invocation: 1, loaded: original },
      kubelet: { active: true, invocation: 1, loaded: original },
    }
  }

  get isJournalOpen(): boolean {
    return this.files.has(journalFile)
  }

  get answer(): NodeRuntimeStatus | undefined {
    return this.ledger?.answer
  }

  content(file: string): string {
    return this.files.get(file)?.toString() ?? ''
  }

  get isOriginal(): boolean {
    return this.content(engineFile) === original && this.content(kubeletFile) === original
  }

  get isHealthy(): boolean {
    const { engine, kubelet } = this.units
    if (!this.isUp || !engine.active || !kubelet.active || engine.loaded !== kubelet.loaded) return false
    return !this.#isBrokenBy('kubelet is not healthy')
  }

  /** What ran when the trouble began is sound, but for the one that breaks it. */
  trouble(trouble: Trouble, untilMs: number): void {
    this.troubles.set(trouble, untilMs)
    this.#sound = this.isJournalOpen && this.#former ? this.#former.engine : this.content(engineFile)
  }

  /** Another tool writes the files that Drydock has written. */
  drift(): void {
    if (!this.isUp || this.isJournalOpen || this.isOriginal) return
    for (const file of [engineFile, kubeletFile]) this.files.set(file, Buffer.from(drifted))
  }

  #has(trouble: Trouble): boolean {
    return (this.troubles.get(trouble) ?? 0) > this.#options.schedule.nowMs
  }

  #isBrokenBy(trouble: Trouble): boolean {
    return this.#has(trouble) && this.units.engine.loaded !== this.#sound
  }

  /** systemd starts again what ends by itself, or does not start. */
  restartUnits(): void {
    if (!this.isUp || (this.isJournalOpen && this.answer?.phase !== 'Failed')) return
    for (const name of ['engine', 'kubelet'] as const) this.#tryStart(name)
  }

  // --- what happens to it

  killEngine(): void {
    if (!this.process.alive) return
    this.process.alive = false
    this.#stopEngine()
    const { schedule } = this.#options
    // systemd starts it again as long as a journal is open.
    schedule.after(1000, undefined, () => {
      if (this.isUp && this.isJournalOpen && !this.process.alive) this.#startEngine()
    })
  }

  powerCut(downMs: number): void {
    if (!this.isUp) return
    this.process.alive = false
    this.#stopEngine()
    this.isUp = false
    for (const unit of Object.values(this.units)) unit.active = false
    this.#options.schedule.after(downMs, undefined, () => this.#boot())
  }

  #stopEngine(): void {
    this.engine = undefined
    this.ledger = undefined
    for (const want of this.#wantsEngine.splice(0)) want(undefined)
  }

  #boot(): void {
    const { schedule, mutant, witness } = this.#options
    this.isUp = true
    this.boots++
    this.time.bootedAtMs = schedule.nowMs
    const up = (): void => {
      if (!this.isUp) return
      witness.booted(this)
      for (const name of ['engine', 'kubelet'] as const) this.#tryStart(name)
      if (this.isJournalOpen) this.#startEngine()
    }
    if (!this.isJournalOpen || mutant.skipsBootRecovery) {
      up()
      return
    }
    const process = new Process(`${this.name} boot`)
    this.process = process
    const parts = this.#inside(process)
    schedule.resume()
    const goOn = (): void => {
      if (!process.alive) return
      process.alive = false
      up()
    }
    restoreAtBoot({ ...parts, log: silentLog }).then(goOn, goOn)
  }

  #tryStart(name: 'engine' | 'kubelet'): void {
    try {
      this.#start(name)
    } catch {
      // As at a boot: the machine comes up without it.
    }
  }

  // --- its socket

  /** systemd starts the engine at the first connection. */
  #withEngine(use: (engine: NodeEngine | undefined) => void): void {
    if (this.engine) {
      use(this.engine)
      return
    }
    if (!this.isUp) {
      use(undefined)
      return
    }
    this.#wantsEngine.push(use)
    if (!this.process.alive) this.#startEngine()
  }

  /** As the courier's client speaks to it. `run` names the process that answered. */
  speak(caller: Process, act: (engine: NodeEngine) => void): Promise<{ engine: NodeEngine; run: string }> {
    const { schedule } = this.#options
    return new Promise((resolve, reject) => {
      const answer = (engine: NodeEngine | undefined): void => {
        schedule.resume()
        if (!caller.alive) return
        if (!engine) {
          reject(new Error('the engine does not answer'))
          return
        }
        try {
          engine.requested()
          act(engine)
          resolve({ engine, run: `${this.id}/${this.#runs}` })
        } catch (error) {
          reject(error instanceof OldFence ? new OrderRefused(error.message) : error)
        }
      }
      schedule.after(20, caller, () => this.#withEngine(answer))
    })
  }

  put(engine: NodeEngine, order: Order): void {
    const { mutant, witness } = this.#options
    const { fence } = this
    const isPast = this.past.at(-1)
    if (isPast?.generation !== order.generation || isPast?.nodeUID !== order.nodeUID) this.past.push(order)
    engine.put({
      ...order,
      ...(mutant.acceptsOldFence && { fence: Math.max(order.fence ?? 0, fence) }),
      ...(mutant.runsForeignOrders && { machineID: this.id }),
    })
    witness.accepted(this, order, fence)
  }

  async state(engine: NodeEngine, run: string): Promise<EngineState> {
    const { seq } = engine
    return { run, seq, status: await engine.status() }
  }

  #startEngine(): void {
    const { schedule, witness } = this.#options
    const process = new Process(`${this.name} engine`)
    this.process = process
    this.#runs++
    const parts = this.#inside(process)
    schedule.resume()
    void Ledger.open(parts.store, parts.clock, this.id).then(
      (ledger) => {
        if (!process.alive) return
        this.#tamper(ledger)
        const engine = new NodeEngine(
          {
            ...parts,
            log: silentLog,
            kubeletHealthy: async () => this.isHealthy,
            plan: (order: Order, pasts: Pasts) => this.#plan(parts.clock, order, pasts),
            look: async () => this.#observed(),
            residue: async () => [],
            tidy: async () => {},
            provisions: {
              install: async () => {},
              restore: async () => {},
              removePods: async () => 0,
              exportImages: async () => 0,
              importImages: async () => 0,
            },
            remove: async () => {},
            machineID: this.id,
            version: '0',
          },
          ledger,
          new AbortController().signal,
        )
        this.ledger = ledger
        this.engine = engine
        this.#announce(process, ledger)
        void engine.run()
        for (const want of this.#wantsEngine.splice(0)) want(engine)
      },
      (error: Error) => {
        if (process.alive) witness.says(this, `the engine does not start: ${error.message}`)
      },
    )
  }

  /** Each phase once, for the list of what happened. */
  #announce(process: Process, ledger: Ledger): void {
    let last = ''
    const look = (): void => {
      const { phase, revision, attempt } = ledger.answer
      const says = `${phase} ${revision}/${attempt}`
      if (says !== last && phase !== undefined) this.#options.witness.says(this, says)
      last = says
      void ledger.changed.then(() => process.alive && look())
    }
    look()
  }

  #tamper(ledger: Ledger): void {
    if (!this.#options.mutant.skipsRollback) return
    const record = ledger.record.bind(ledger)
    const tampered = ledger as { record: Ledger['record'] }
    tampered.record = async (entry) => {
      if (entry.type !== 'back') return record(entry)
      const { work } = ledger.state
      if (!work) return
      const answer = { ...ledger.answer, phase: 'RolledBack' } as const
      ledger.remember((memory) => ({ ...memory, answer, closed: work.id }))
      await ledger.close(answer)
    }
  }

  // --- what the engine works with

  #inside(process: Process): { store: Store; host: Host; clock: BootClock; runtime: Runtime } {
    const { schedule } = this.#options
    const time = { ...this.time }
    const boot = `boot-${this.boots}`
    // Polls of the engine are cheap on a node, and cost the simulation.
    const base = clockOf(schedule, process, this.time, 400)
    const clock: BootClock = {
      ...base,
      instant: () => ({
        boot,
        monotonicMs: Math.round(schedule.nowMs - time.bootedAtMs),
        wall: base.now().toISOString(),
      }),
    }
    const disk = this.#disk(process)
    const call = async <T>(ms: number, act: () => T | Promise<T>): Promise<T> => {
      if (!process.alive) return never
      if (ms > 0) await clock.sleep(ms)
      return process.alive ? act() : never
    }
    const host: Host = {
      readFile: (path) => disk.read(path),
      listFolder: (path) => disk.list(path),
      realPath: async (path) => path,
      isExecutable: async () => true,
      isWritable: async () => true,
      mode: async () => 0o644,
      freeBytes: async () => 1e9,
      replaceFile: (path, bytes) => replaceFile(disk, path, bytes),
      removeFile: (path) => removeFile(disk, path),
      removeFolder: async () => {},
      makeDurable: (path) => makeDurable(disk, path),
      discardUnfinished: (path) => discardUnfinished(disk, path),
      run: async () => ({ code: 0, stdout: '', stderr: '' }),
      unit: (name) => call(0, () => this.#unitState(name)),
      startUnit: (name) => call(500, () => this.#start(name as 'engine')),
      stopUnit: (name) => call(400, () => this.#stop(name as 'engine')),
      setEnabled: () => call(0, () => {}),
      daemonReload: () => call(0, () => {}),
    }
    const runtime: Runtime = {
      ready: (_endpoint, limit) => call(0, () => this.#ready(clock, limit)),
      pods: () => call(0, () => []),
      removePods: () => call(600, () => this.#removePods()),
      pullMissing: () => call(0, () => {}),
      prove: (_endpoint, wanted) => call(1500, () => this.#prove(clock, wanted)),
    }
    return { store: new Store(disk, stateFolder), host, clock, runtime }
  }

  /** Whole files, synced at once: power cuts below that are what the node simulation is for. */
  #disk(process: Process): Disk {
    const { files } = this
    const guard = async <T>(act: () => T): Promise<T> => (process.alive ? act() : never)
    const write = async (act: () => void): Promise<void> => {
      if (!process.alive) return never
      const isLast = this.crashIn > 0 && --this.crashIn === 0
      if (!isLast || this.#options.random() < 0.5) act()
      if (!isLast) return
      this.#options.witness.says(this, 'the engine is killed')
      this.killEngine()
      return never
    }
    return {
      read: (path) => guard(() => files.get(path)),
      list: (path) =>
        guard(() =>
          [...files.keys()].filter((name) => dirname(name) === path).map((name) => name.slice(path.length + 1)),
        ),
      resolve: (path) => guard(() => (files.has(path) ? path : undefined)),
      attributes: async () => undefined,
      create: (path, bytes) => write(() => files.set(path, bytes)),
      append: (path, bytes) => write(() => files.set(path, Buffer.concat([files.get(path) ?? Buffer.alloc(0), bytes]))),
      truncate: (path, length) =>
        guard(() => void files.set(path, (files.get(path) ?? Buffer.alloc(0)).subarray(0, length))),
      sync: () => guard(() => undefined),
      rename: (from, to) =>
        write(() => {
          files.set(to, files.get(from)!)
          files.delete(from)
          this.#moved(to)
        }),
      unlink: (path) =>
        write(() => {
          const isClosing = path === journalFile && files.delete(path)
          files.delete(path)
          if (isClosing) this.#options.witness.closed(this)
        }),
      makeFolder: async () => {},
      removeFolder: async () => {},
    }
  }

  /** What a rename of the engine's own files means. */
  #moved(path: string): void {
    if (path === `${stateFolder}/state.json`) {
      const memory = JSON.parse(this.content(path)) as { fence: number }
      this.fence = Math.max(this.fence, memory.fence)
    }
    if (path !== journalFile) return
    this.#former = { engine: this.content(engineFile), kubelet: this.content(kubeletFile) }
    this.invocationAtOpening = this.units.engine.invocation
    const { order, change } = JSON.parse(this.content(path).slice(17)) as { order: Order; change: { action: string } }
    this.#options.witness.opened(this, order, change.action)
  }

  /** Where the open change stands, as the journal tells it. */
  bootStage(): string | undefined {
    return replay(decodeLines(this.files.get(journalFile)!).records as JournalRecord[])?.stage.name
  }

  get former(): { engine: string; kubelet: string } | undefined {
    return this.#former
  }

  #unitState(name: string): UnitState {
    const unit = this.units[name as 'engine']
    const activeState = unit.active ? 'active' : 'inactive'
    const invocationId = String(unit.invocation)
    return {
      loadState: 'loaded',
      activeState,
      subState: '',
      invocationId,
      mainPid: 1,
      execStart: '',
      files: [],
      enabled: 'enabled',
    }
  }

  #start(name: 'engine' | 'kubelet'): void {
    const unit = this.units[name]
    if (unit.active) return
    const loaded = this.content(name === 'engine' ? engineFile : kubeletFile)
    if (name === 'engine' && loaded !== this.#sound && this.#has('engine does not start'))
      throw new Error('the engine does not start')
    unit.active = true
    unit.invocation++
    unit.loaded = loaded
    if (name === 'kubelet') this.onKubelet()
  }

  /** The kubelet has started or stopped. */
  onKubelet: () => void = () => {}
  /** Every container was removed. */
  onPodsRemoved: () => void = () => {}

  #stop(name: 'engine' | 'kubelet'): void {
    this.units[name].active = false
  }

  async #ready(clock: BootClock, limit: Limit): Promise<void> {
    while (!this.units.engine.active) {
      if (limit.signal.aborted) throw new Error('The engine did not become ready.')
      await clock.sleep(500, limit.signal)
    }
  }

  #removePods(): number {
    if (!this.units.engine.active) throw new Error('The engine does not answer.')
    this.onPodsRemoved()
    return 1
  }

  #prove(clock: BootClock, wanted: Expectation): Verification {
    const { engine, kubelet } = this.units
    const found = handlersOf(engine.loaded)
    const isBroken = engine.loaded === this.#sound ? this.#has('former broken') : this.#has('proof fails')
    const handlers = wanted.handlers.map(({ name }) => ({
      name,
      passed: found.includes(name),
      durationMilliseconds: 1,
    }))
    const isRight = driverOf(engine.loaded) === wanted.cgroupDriver && handlers.every(({ passed }) => passed)
    const { skipsProof } = this.#options.mutant
    const passed = skipsProof || (engine.active && !kubelet.active && isRight && !isBroken)
    if (passed && !skipsProof) this.proven = { invocation: engine.invocation, content: engine.loaded }
    const engineVersion = versionOf(engine.loaded)
    return {
      passed,
      time: clock.now().toISOString(),
      durationMilliseconds: 1,
      message: 'no pod ran',
      handlers,
      engineVersion,
    }
  }

  #observed(): NonNullable<NodeRuntimeStatus['observed']> {
    const { loaded } = this.units.engine
    return {
      engine: { name: 'containerd', version: versionOf(loaded) },
      handlers: handlersOf(loaded).map((name) => ({ name, default: name === 'runc' })),
      cgroup: { version: 'v1', engineDriver: driverOf(loaded), kubeletDriver: driverOf(loaded) },
    }
  }

  async #plan(clock: BootClock, order: Order, pasts: Pasts): Promise<{ observed: object; plan: Planned | Refusal }> {
    await clock.sleep(700)
    const observed = this.#observed()
    if (this.#has('refuses')) return { observed, plan: { reason: 'NoBinary', message: 'crun is not there' } }
    const names = (order.target?.handlers ?? []).map(({ name }) => name)
    const target = order.target && Buffer.from([order.target.cgroupDriver ?? 'cgroupfs', ...names].join(' '))
    const edits = [engineFile, kubeletFile].flatMap((path) => {
      const before = this.files.get(path)
      const past = pasts.get(path)
      const former = past ? past.original : before
      const after = target ?? former
      return before && after && before.equals(after) ? [] : [{ path, before, after, original: former }]
    })
    const now = this.content(engineFile)
    const expect = (text: string): Expectation => ({
      handlers: handlersOf(text).map((name) => ({ name, default: name === 'runc' })),
      cgroupVersion: 'v1',
      cgroupDriver: driverOf(text),
    })
    const wanted = edits.find(({ path }) => path === engineFile)?.after?.toString() ?? now
    const side = { name: 'containerd', units: ['engine'], endpoint: 'unix:///engine' } as const
    const change = {
      action: edits.length === 0 ? ('None' as const) : this.change,
      from: side,
      to: side,
      units: [{ name: 'engine', enabled: { before: 'enabled' }, runs: { before: true, after: true } }],
      kubeletUnit: 'kubelet',
      healthz: { address: '127.0.0.1', port: 10248 },
      image: 'agent',
      wanted: expect(wanted),
      former: expect(now),
    }
    return { observed, plan: { edits, change, changes: [], notes: [] } }
  }
}
