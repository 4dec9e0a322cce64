// The world that a plan is played in, as an interface.
import type { Simulator } from '../../simulator/index.ts'
import type { Link } from './network.ts'
import type { LinkName } from './plan.ts'
import type { Store as SimulatedStore } from './store.ts'

/** Time, and on whose behalf something is done. */
export interface Machine {
  readonly time: () => number
  readonly later: (ms: number, run: () => void) => void
  readonly enter: <T>(act: () => T) => T
}

/** In every password, so that one of them is found wherever it must not be. */
export const PASSWORD_MARK = 'SECRETpassword'
/** Least and most milliseconds to and from iSales. */
export const ISALES_LATENCY = [1, 8] as const
export const FIRST_PASSWORD = `${PASSWORD_MARK}-1`

/** A process of the proxy, from its start to its end. */
export interface Replica {
  readonly index: number
  phase: 'starting' | 'running' | 'stopping' | 'stopped'
}

/** The shared store, a process of its own. */
export interface Store {
  /** Ends it with its connections; it loses its contents. */
  down(): void
  up(): void
  isUp(): boolean
  /** SIGSTOP, SIGCONT. */
  freeze(): void
  thaw(): void
  flush(): void
}

/** A world: simulated, or of real processes and sockets. */
export interface World<R extends Replica = Replica> {
  /** Acts on behalf of no program. */
  readonly machine: Machine
  /** Acts on behalf of the clients. */
  readonly clients: Machine
  readonly note: (line: string) => void
  /** Milliseconds. */
  readonly waits: {
    /** After the last act, until all must be well. */
    readonly calm: number
    /** After the last call: the state that people read is of the last minute. */
    readonly minute: number
    /** After the end of a process: what is counted for the log is written within two minutes. */
    readonly afterwards: number
  }
  readonly ports: {
    readonly isales: number
    readonly proxy: (replica: number) => number
    readonly admin: (replica: number) => number
  }
  readonly isales: Simulator
  /** Does it as iSales. */
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
  readonly faults: Faults
  /** Nothing is wrong with the machine from now on. */
  readonly mend: () => void
  /** Everything that a replica should not have left of itself: `idle`, at its `end`, or `long` after that. */
  readonly left: (replica: R, when: 'idle' | 'end' | 'long') => readonly string[]
  readonly searchSecrets: (text: string, where: string) => void
}

/** Faults that only a simulated machine has; a real one is never asked for them. */
export interface Faults {
  readonly links: (name: LinkName) => readonly Link[]
  /** Resolves the name of iSales so; undefined: never. */
  readonly resolve: (found: 'address' | 'error' | undefined) => void
  /** Moves the date of a replica by so many milliseconds. */
  readonly shiftDate: (replica: number, offset: number) => void
  readonly breakDisk: (replica: number, how: 'full' | 'stalled', ms: number) => void
  readonly store?: Pick<SimulatedStore, 'fail' | 'rollBack' | 'spoil'> | undefined
}
