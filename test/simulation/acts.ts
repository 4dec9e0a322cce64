// Calls and acts of a plan, and their texts.
import type { Random } from './loop.ts'

export type LinkName = 'isales' | 'store' | 'proxy'

/**
 * How a client holds its connections.
 *
 * - `idle`: idle after one call each.
 * - `half-sent`: each has half of a body.
 * - `ahead`: sends heads while a slow call is in progress.
 * - `not-reading`: silent for 7 s each, then a request for a long response that the client does not read.
 */
export type Holding = 'idle' | 'half-sent' | 'ahead' | 'not-reading'

/** POSTs that the proxy must refuse because of host, path, size, or an `Origin` that a gateway adds. */
export const REFUSED = ['foreign-host', 'other-path', 'too-large', 'origin'] as const
export type Refused = (typeof REFUSED)[number]
/** The call that a client repeats: a valid call, a refused call, or a call with an impatient client. */
export type PlainClient = 'json' | Refused | 'impatient'

/** A kind that is listed twice is drawn twice as often. */
export const CALLS = [
  ...Array.from({ length: 7 }, () => 'json' as const),
  ...(['probe', 'probe', 'probe', 'chunked', 'chunked', 'get', 'get'] as const),
  ...(['large', 'garbage'] as const),
] as const

/** How a call is sent, and where its client hangs up. */
export interface Manner {
  readonly kind: (typeof CALLS)[number] | Refused
  /** Size of a large body, or of the response. */
  readonly bytes: number
  /** Milliseconds between two parts of the request; 0 if it is sent whole. */
  readonly pause: number
  /** Undefined if the client stays. `stall`: the client stays, and sends no more. */
  readonly hangUp: 'in-request' | 'stall' | 'waiting' | 'in-response' | 'half' | undefined
  /** Milliseconds until a waiting client hangs up. */
  readonly patience: number
}

/**
 * A fault of the shared store.
 *
 * - `killed`: the process ends, and loses all values.
 * - `frozen`: SIGSTOP.
 * - `emptied`: all values are lost.
 * - `rolled-back`: the values of 5 to 30 s ago return.
 */
export type StoreFault = (typeof STORE_FAULTS)[number]
export const STORE_FAULTS = ['killed', 'frozen', 'emptied', 'rolled-back'] as const

interface OfReplica {
  readonly replica: number
}
interface Lasts {
  /** Milliseconds. */
  readonly ms: number
}

/** Members of an act, by its kind. */
interface Inputs {
  /** A command of the simulated iSales. */
  readonly command: {
    readonly command: string
    readonly input: Readonly<Record<string, unknown>>
  }
  /**
   * Changes the password at iSales and in the mounted file, with `gap` milliseconds between the two. `ends`: the change ends all
   * sessions.
   */
  readonly rotate: {
    readonly first: 'isales' | 'file'
    readonly gap: number
    readonly ends: boolean
  }
  /** Writes a wrong password to the file. */
  readonly 'wrong-file': Lasts
  /** Starts a replica every second with a wrong password, and kills it `ms` after each start. */
  readonly 'crash-loop': OfReplica & Lasts & { readonly times: number }
  /** iSales rejects every token. */
  readonly storm: Lasts
  /** iSales rejects one path, with any token. */
  readonly forbid: Lasts & {
    readonly status: number
    readonly body: 'json' | 'html' | 'empty'
  }
  /** iSales answers most calls without a look at their token; a client sends such a call every 200 ms. */
  readonly public: Lasts
  /** iSales accepts no connection. */
  readonly outage: Lasts
  /** Freezes a replica (SIGSTOP), or ends it with SIGKILL or SIGTERM and starts it again. */
  readonly freeze: OfReplica & Lasts
  readonly kill: OfReplica & Lasts
  readonly terminate: OfReplica & Lasts
  /** SIGHUP. */
  readonly 'hang-up': OfReplica
  /** Ten more calls per second, or none. */
  readonly rush: Lasts
  readonly quiet: Lasts
  /** A client of each replica repeats one call. */
  readonly plain: Lasts & { readonly as: PlainClient }
  readonly store: Lasts & { readonly how: StoreFault }
  // The acts below need a simulated machine.
  /** Another client holds connections. */
  readonly hold: OfReplica & Lasts & { readonly holding: Holding }
  /** Cuts a connection after the link's next `bytes` bytes. */
  readonly cut: { readonly link: LinkName; readonly bytes: number }
  /** Delivers nothing, and answers no new connection. */
  readonly stall: Lasts & { readonly link: LinkName }
  /** iSales takes this many connections of a process, and refuses others. */
  readonly places: Lasts & { readonly most: number }
  /** Delays each delivery to and from iSales by up to `most`, so that connections overtake each other. */
  readonly jitter: Lasts & { readonly most: number }
  /** Fills a replica's disk, or blocks its operations. */
  readonly disk: OfReplica & Lasts & { readonly how: 'full' | 'stalled' }
}
export type Kind = keyof Inputs
const ON_MACHINE = new Set([
  'hold',
  'cut',
  'places',
  'stall',
  'jitter',
  'disk',
  'store-rolled-back',
])
export const isOfMachine = (act: Act): boolean => ON_MACHINE.has(nameOf(act))

/** An act without its time. */
export type Deed<One extends Kind = Kind> = { [K in One]: Inputs[K] & { readonly kind: K } }[One]
/** `at` in milliseconds from the start. */
export type Act<One extends Kind = Kind> = Deed<One> & { readonly at: number }

/** Milliseconds between two starts of a crash loop. */
export const LOOP = 1000

/** Returns the act's name for people: a command's own name, a store fault with its kind. */
export function nameOf(act: Act): string {
  if (act.kind === 'command') return act.command
  return act.kind === 'store' ? `store-${act.how}` : act.kind
}

/** Milliseconds until the act is over. */
export function lengthOf(act: Act): number {
  if (act.kind === 'crash-loop') return act.times * LOOP
  return 'ms' in act ? act.ms : 'gap' in act ? act.gap : 0
}

/** Formats an act as a line for a person. */
export function actText(act: Act): string {
  const { at, kind: _kind, ...rest } = act
  const details = 'input' in rest ? rest.input : rest
  const shown = Object.entries(details).map(([key, value]) => `${key} ${String(value)}`)
  return `${(at / 1000).toFixed(3).padStart(8)} s  ${nameOf(act)} ${shown.join(', ')}`.trimEnd()
}

/** `after` in milliseconds; default 0. */
export type Step = Deed & { readonly after?: number }
/** `replica` draws the index of a replica. */
export type Draw = Random & { readonly replica: () => number }
export type Make = (draw: Draw) => Step | readonly Step[]

export const command = (name: string, input: Inputs['command']['input'] = {}, after = 0): Step => ({
  kind: 'command',
  command: name,
  input,
  after,
})
