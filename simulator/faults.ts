/** What a fault is about. `business` is every call that needs a token. */
export const OPERATIONS = ['login', 'refresh', 'business'] as const
export type SimulatedOperation = (typeof OPERATIONS)[number]

/** Where the connection is lost: before the head of the answer, right after it, or in the middle of its body. */
export const RESET_POINTS = ['before-head', 'after-head', 'mid-body'] as const
export type ResetPoint = (typeof RESET_POINTS)[number]

export type Fault =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      /** Whether the call is carried out before it is answered so. */
      readonly executed: boolean
    }
  /** Carried out, and never answered. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset'; readonly at: ResetPoint }
  | { readonly kind: 'slow'; readonly ms: number }
  /** The true answer, grown over 64 KiB. */
  | { readonly kind: 'huge' }
  /** The true answer, cut, with a `Content-Length` that fits what is left. */
  | { readonly kind: 'truncated' }
  /** The true answer with another token in it; without one when `token` is undefined. */
  | { readonly kind: 'bad-token'; readonly token: unknown }

export interface Faults {
  add(operation: SimulatedOperation, fault: Fault, times: number): void
  /** The next fault for this operation, used up by that. */
  take(operation: SimulatedOperation): Fault | undefined
  clear(): void
  /** How many answers are still to be spoilt; Infinity when without end. */
  waiting(): number
}

interface Queued {
  readonly fault: Fault
  left: number
}

/** Faults wait in order, for each operation apart; each is used `times` times, then the next. */
export function createFaults(): Faults {
  const queues: Readonly<Record<SimulatedOperation, Queued[]>> = {
    login: [],
    refresh: [],
    business: [],
  }
  return {
    add(operation, fault, times) {
      if (times > 0) queues[operation].push({ fault, left: times })
    },
    take(operation) {
      const queue = queues[operation]
      const first = queue[0]
      if (first === undefined) return undefined
      first.left -= 1
      if (first.left <= 0) queue.shift()
      return first.fault
    },
    clear() {
      for (const operation of OPERATIONS) queues[operation].length = 0
    },
    waiting: () =>
      OPERATIONS.flatMap((operation) => queues[operation]).reduce((sum, { left }) => sum + left, 0),
  }
}
