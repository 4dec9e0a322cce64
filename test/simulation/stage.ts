// The interface of the world in which a plan is played.
import type { Simulator } from '../../simulator/index.ts'
import type { Link } from './network.ts'
import type { LinkName } from './plan.ts'
import type { Store as SimulatedStore } from './store.ts'

/** Time, and actions on behalf of a program. */
export interface Machine {
  readonly time: () => number
  readonly later: (ms: number, run: () => void) => void
  readonly enter: <T>(act: () => T) => T
}

/** Part of every password, by which leaks are found. */
export const PASSWORD_MARK = 'SECRETpassword'
/** Minimum and maximum milliseconds to and from iSales. */
export const ISALES_LATENCY = [1, 8] as const
export const FIRST_PASSWORD = `${PASSWORD_MARK}-1`

/** A process of the proxy, from its start to its end. */
export interface Replica {
  readonly index: number
  phase: 'starting' | 'running' | 'stopping' | 'stopped'
}

/** The shared store, a process of its own. */
export type Store = Pick<SimulatedStore, 'down' | 'up' | 'isUp' | 'freeze' | 'thaw' | 'flush'> &
  Partial<Pick<SimulatedStore, 'rollBack'>>

/** A world: simulated, or of real processes and sockets. */
export interface World<R extends Replica = Replica> {
  /** Acts on behalf of no program. */
  readonly machine: Machine
  /** Acts on behalf of the clients. */
  readonly clients: Machine
  readonly note: (line: string) => void
  /** Milliseconds. */
  readonly waits: {
    /** From the last act until every replica must be healthy. */
    readonly calm: number
    /** After the last call: the state covers the last minute, and if this is long, rejections of the last 10 min. */
    readonly silence: number
    /** After the end of a process: the log writes its counts within two minutes. */
    readonly afterwards: number
  }
  readonly ports: {
    readonly isales: number
    readonly proxy: (replica: number) => number
    readonly admin: (replica: number) => number
  }
  readonly isales: Simulator
  /** Runs an action of iSales. */
  readonly atIsales: (act: () => Promise<unknown>) => void
  readonly store: Store | undefined
  readonly replicas: readonly R[]
  /** Writes the mounted file. */
  readonly setPassword: (password: string) => void
  readonly start: (replica: R) => void
  /** SIGKILL, SIGTERM, SIGHUP, SIGSTOP, SIGCONT. */
  readonly kill: (replica: R) => void
  readonly stop: (replica: R) => void
  readonly hangUp: (replica: R) => void
  readonly freeze: (replica: R) => void
  readonly thaw: (replica: R) => void
  // Faults of a simulated machine.
  readonly links: (name: LinkName) => readonly Link[]
  readonly breakDisk: (replica: number, how: 'full' | 'stalled', ms: number) => void
  /** Ends them. */
  readonly mend: () => void
  /** Returns leftovers of a replica that is `idle`, at its `end`, or `long` after it. */
  readonly left: (replica: R, when: 'idle' | 'end' | 'long') => readonly string[]
  readonly searchSecrets: (text: string, where: string) => void
}
