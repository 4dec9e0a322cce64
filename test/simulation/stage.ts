// What a plan is played in.
import type { Simulator } from '../../simulator/index.ts'
import type { Judge, Span } from './judge.ts'
import type { MachineAct } from './plan.ts'

/** Time, and on whose behalf something is done. */
export interface Machine {
  readonly time: () => number
  readonly later: (ms: number, run: () => void) => void
  readonly enter: <T>(act: () => T) => T
}

/** In every password, so that one of them is found wherever it must not be. */
export const PASSWORD_MARK = 'SECRETpassword'
export const FIRST_PASSWORD = `${PASSWORD_MARK}-1`

/** One process of the proxy, from its start to its end. */
export interface Replica {
  readonly index: number
  phase: 'starting' | 'running' | 'stopping' | 'stopped'
}

/** What a plan is played in: simulated, or of real processes and sockets. */
export interface World<R extends Replica = Replica> {
  /** That of nobody in particular. */
  readonly machine: Machine
  /** That of the clients. */
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
  readonly store:
    | {
        /** It ends with its connections, and loses what it held. */
        down(): void
        up(): void
        isUp(): boolean
        /** SIGSTOP, SIGCONT. */
        freeze(): void
        thaw(): void
        flush(): void
      }
    | undefined
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
  /** Does what only a simulated machine can. */
  readonly disturb: (act: MachineAct, excuse: Excuse) => void
  /** Nothing is wrong with the machine from now on. */
  readonly mend: () => void
  /** What a replica has left of itself that it should not have: `idle`, at its `end`, or `long` after that. */
  readonly left: (replica: R, when: 'idle' | 'end' | 'long') => readonly string[]
  readonly searchSecrets: (text: string, where: string) => void
}

/** Tells the judge for how long, from now, in milliseconds. */
export interface Excuse {
  readonly judge: Judge
  readonly until: (kind: string, ms: number) => Span
  /** iSales cannot be reached. */
  readonly unreached: (ms: number) => void
  /** The shared store cannot be used. */
  readonly storeAway: (ms: number) => void
}
