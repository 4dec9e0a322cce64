/** The requests that a fault spoils. `business` is every call that needs a token. */
export const OPERATIONS = ['login', 'refresh', 'business'] as const
export type SimulatedOperation = (typeof OPERATIONS)[number]

/** The point at which the connection is lost: before the response, after its headers, or in its body. */
export const RESET_POINTS = ['before-head', 'after-head', 'mid-body'] as const
export type ResetPoint = (typeof RESET_POINTS)[number]

export type Fault =
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      /** True if the call is executed before this response. */
      readonly executed: boolean
    }
  /** The call is executed and not answered. */
  | { readonly kind: 'hang' }
  /** The call is neither executed nor answered. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'reset'; readonly at: ResetPoint }
  | { readonly kind: 'slow'; readonly ms: number }
  /** The true response, grown over 64 KiB. */
  | { readonly kind: 'huge' }
  /** The beginning of the true response, with the `Content-Length` of this beginning. */
  | { readonly kind: 'truncated' }
  /** The true response with another token in it; without one when `token` is undefined. */
  | { readonly kind: 'bad-token'; readonly token: unknown }

/** How long a fault lasts; the earlier of the two ends it. */
export interface FaultLimits {
  /** Responses; default 1. */
  readonly times?: number | 'always' | undefined
  /** Seconds from now; default without end. With it `times` is `always` unless given. */
  readonly seconds?: number | undefined
}

export interface Faults {
  add(operation: SimulatedOperation, fault: Fault, limits: FaultLimits): void
  /** Takes the next fault for this operation. */
  take(operation: SimulatedOperation): Fault | undefined
  clear(): void
  /** Responses that are left to spoil; Infinity if unlimited. */
  waiting(): number
}

interface Queued {
  readonly operation: SimulatedOperation
  readonly fault: Fault
  readonly endsAt: number
  left: number
}

/** Queues faults separately for each operation. */
export function createFaults(now: () => number): Faults {
  let queue: Queued[] = []
  const pending = () => (queue = queue.filter(({ left, endsAt }) => left > 0 && now() < endsAt))
  return {
    add(operation, fault, { times, seconds }) {
      const count = times ?? (seconds === undefined ? 1 : 'always')
      const left = count === 'always' ? Infinity : count
      const endsAt = seconds === undefined ? Infinity : now() + seconds * 1000
      queue.push({ operation, fault, left, endsAt })
    },
    take(operation) {
      const first = pending().find((queued) => queued.operation === operation)
      if (first !== undefined) first.left -= 1
      return first?.fault
    },
    clear() {
      queue = []
    },
    waiting: () => pending().reduce((sum, { left }) => sum + left, 0),
  }
}
