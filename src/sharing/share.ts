import { SECOND, type Clock, type Timer } from '../clock.ts'
import { POLL_INTERVAL, type Home } from '../token/index.ts'
import type { Sealer } from './sealer.ts'
import type { SharingSnapshot, Store } from './store.ts'

type ShareOptions = Readonly<{
  store: Store
  sealer: Sealer
  clock: Clock
  onUnreadable: () => void
}>

const POLL_TAKES = SECOND / 5

export type Share = ReturnType<typeof createShare>

/** The account in a store, for all replicas that use the same store, key, iSales and user. */
export function createShare({ store, sealer, clock, onUnreadable }: ShareOptions) {
  type SharingState = Pick<SharingSnapshot, 'reason' | 'code' | 'since'>
  let state: SharingState = { reason: undefined, code: undefined, since: clock.now() }
  let timer: Timer | undefined
  let lastPoll = Promise.resolve()
  let isStopped = false

  const note = ({ reason, code }: Partial<Pick<SharingSnapshot, 'reason' | 'code'>>): void => {
    if (reason === state.reason && code === state.code) return
    const isStillAlone = reason !== undefined && state.reason !== undefined
    state = { reason, code, since: isStillAlone ? state.since : clock.now() }
  }

  const home: Home = {
    propagationDelay: POLL_INTERVAL + POLL_TAKES,
    async compareAndSwap(seen, next) {
      const reply = await store.compareAndSwap(seen, next)
      note('reason' in reply ? reply : {})
      return 'reason' in reply ? undefined : reply
    },
    nameOf: sealer.nameOf,
    close: sealer.seal,
    open: sealer.open,
    onUnreadable,
  }

  return {
    home,

    /** Connects, and polls every second, and with each connection. */
    start(poll: () => Promise<void>): void {
      const keepPolling = (): void => {
        if (isStopped) return
        timer = clock.setTimer(() => {
          lastPoll = poll().then(keepPolling)
        }, POLL_INTERVAL)
      }
      keepPolling()
      store.start(() => void (isStopped || poll()))
    },

    /** @param adoptedAt when the token in use was adopted, on the monotonic clock. */
    snapshot: (adoptedAt: number | undefined): SharingSnapshot => ({
      ...state,
      state: state.reason === undefined ? 'shared' : 'alone',
      adoptedAt,
    }),

    /** Disconnects. */
    async stop(): Promise<void> {
      isStopped = true
      timer?.cancel()
      await lastPoll
      store.stop()
    },
  }
}
