// oxlint-disable no-underscore-dangle, unbound-method -- names of Node, and replacements of its functions
// Virtual time: a queue of tasks. Each task has an owner, the program that scheduled it, so that one program can be frozen or
// killed while the others continue.
import { createHash } from 'node:crypto'

/** A simulated process. */
export interface Owner {
  readonly name: string
  /** `frozen`: due tasks wait, as after SIGSTOP. `dead`: due tasks are dropped. */
  state: 'running' | 'frozen' | 'dead'
  /** In [0, 1); each owner has a generator, so that one does not change the others. */
  readonly random: () => number
  /** Tasks that became due while it was frozen. */
  parked: Task[]
  /** Number of set timers. */
  timers: number
}

type Kind = 'timer' | 'io'

interface Task {
  readonly at: number
  readonly order: number
  readonly owner: Owner
  readonly kind: Kind
  run: (() => void) | undefined
}

/** 2026-01-01, in milliseconds since 1970. */
const DATE = 1_767_225_600_000

/** Sorted; the next task is the last. */
let due: Task[] = []
let now = 0
let order = 0
let onCrash: (owner: Owner, error: unknown) => void = () => undefined
let generators: (name: string) => () => number = () => seeded(0)
let current = createOwner('outside')

/** Begins a world at time 0 without tasks. Each owner's generator is seeded by the seed and its name. */
export function resetLoop(seed: number, crashed: typeof onCrash): void {
  due = []
  now = 0
  order = 0
  onCrash = crashed
  generators = (name) => seeded(hashOf(`${seed} ${name}`))
  current = createOwner('world')
}

export function createOwner(name: string): Owner {
  const random = generators(name)
  return { name, state: 'running', random, parked: [], timers: 0 }
}

/** Milliseconds since the world began. */
export const time = (): number => now
export const date = (): number => DATE + Math.floor(now)
export const owner = (): Owner => current

/** Runs `act` as the program `who`. */
export function as<T>(who: Owner, act: () => T): T {
  const before = current
  current = who
  try {
    return act()
  } finally {
    current = before
  }
}

/** Schedules a task in `ms`; the default owner is the current program. */
export function schedule(run: () => void, ms: number, kind: Kind = 'io', who = current): Task {
  order += 1
  const task: Task = { at: now + Math.max(0, ms), order, owner: who, kind, run }
  if (kind === 'timer') who.timers += 1
  insert(task)
  return task
}

export function cancel(task: Task | undefined): void {
  if (task?.run === undefined) return
  task.run = undefined
  if (task.kind === 'timer') task.owner.timers -= 1
}

export function thaw(who: Owner): void {
  if (who.state !== 'frozen') return
  who.state = 'running'
  // Node fires due timers before it reads.
  const parked = who.parked.toSorted((one, other) => rank(one) - rank(other))
  who.parked = []
  for (const task of parked) {
    order += 1
    insert({ ...task, at: now, order, run: () => take(task) })
  }
}

const rank = ({ kind }: Task): number => (kind === 'timer' ? 0 : 1)

// Node's own drain of `process.nextTick` and of microtasks; it works in a macrotask only.
const drain = (process as unknown as { _tickCallback(): void })._tickCallback

/** Maximum tasks of one instant: more is a loop, in which time stands still. */
const MAX_AT_ONCE = 50_000

/** Runs tasks in order until the condition holds, or until none is left before `end`. */
export function runUntil(condition: () => boolean, end = Infinity): void {
  const caller = current
  settle(caller)
  let instant = now
  let tasks = 0
  while (!condition()) {
    const task = due.at(-1)
    if (task === undefined || task.at > end) {
      if (end < Infinity) now = Math.max(now, end)
      break
    }
    due.pop()
    if (task.run === undefined) continue
    now = Math.max(now, task.at)
    tasks = now === instant ? tasks + 1 : 0
    instant = now
    if (tasks > MAX_AT_ONCE) throw new Error(`time stands still in ${task.owner.name}`)
    if (task.owner.state === 'frozen') task.owner.parked.push(task)
    else if (task.owner.state === 'running') perform(task)
  }
  current = caller
}

function perform(task: Task): void {
  current = task.owner
  try {
    take(task)
  } catch (error) {
    onCrash(task.owner, error)
  }
  settle(task.owner)
}

function take(task: Task): void {
  const { run } = task
  cancel(task)
  run?.()
}

function settle(who: Owner): void {
  for (;;) {
    try {
      drain()
      return
    } catch (error) {
      onCrash(who, error)
    }
  }
}

function insert(task: Task): void {
  let from = 0
  let to = due.length
  while (from < to) {
    const middle = (from + to) >> 1
    const other = due[middle] as Task
    const isLater = other.at > task.at || (other.at === task.at && other.order > task.order)
    if (isLater) from = middle + 1
    else to = middle
  }
  due.splice(from, 0, task)
}

/** sfc32, a fast generator. */
export function seeded(seed: number): () => number {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed >>> 0]
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 12; round += 1) next()
  return next
}

export const hashOf = (text: string): number =>
  createHash('sha1').update(text).digest().readUInt32LE()

export type Random = ReturnType<typeof randomOf>

export function randomOf(unit: () => number) {
  return {
    /** An integer from `min` to `max`, both included. */
    between: (min: number, max: number) => min + Math.floor(unit() * (max - min + 1)),
    pick: <const Value>(values: readonly Value[]) =>
      values[Math.floor(unit() * values.length)] as Value,
    chance: (probability: number) => unit() < probability,
  }
}
