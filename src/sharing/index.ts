// Shares one account among all replicas with the same store, key, iSales and user: the register's home on Valkey or Redis, its
// sealer, and polling. `token/` does not know this folder. ioredis is loaded when a share opens.
import { setTimeout as delay } from 'node:timers/promises'
import { SECOND, systemClock, type Clock, type Timer } from '../clock.ts'
import type { Config } from '../config/index.ts'
import {
  POLL_INTERVAL,
  createRegister,
  createToken,
  createTokenRequests,
  type Home,
  type IsalesClient,
  type TokenRequest,
  type TokenResult,
} from '../token/index.ts'
import { createSealer, type Sealer } from './sealer.ts'
import { createValkeyStore, type Store, type StoreFailure, type ValkeyOptions } from './valkey.ts'

export { STORE_OPERATIONS, type StoreCall } from './valkey.ts'

/** Another replica's login takes at most 5 s, and a dead replica's lease expires after 3 s. */
const MAX_WAIT = 7 * SECOND

type OpenShareOptions = Omit<ValkeyOptions, 'address' | 'entryName'> &
  Readonly<{ onUnreadable: () => void }>

/** Opens the configured share; undefined without `SESSION_STORE_URL` and its key. `start` connects. */
export async function openShare(options: OpenShareOptions): Promise<Share | undefined> {
  const { isalesUrl, isalesUser, sessionStoreUrl: address, sessionStoreKey: key } = options.config
  if (address === undefined || key === undefined) return undefined
  const sealer = createSealer(key, isalesUrl, isalesUser)
  const store = await createValkeyStore({ ...options, address, entryName: sealer.entryName })
  return createShare({ ...options, store, sealer })
}

type ShareOptions = Readonly<{
  store: Store
  sealer: Sealer
  clock: Clock
  onUnreadable: () => void
}>

export type Share = ReturnType<typeof createShare>
export type SharingSnapshot = Readonly<ReturnType<Share['snapshot']>>

/** Keeps the account in a store, for all replicas that use the same store, key, iSales and user. */
export function createShare({ store, sealer, clock, onUnreadable }: ShareOptions) {
  let failure: StoreFailure | undefined
  let since = clock.now()
  let timer: Timer | undefined
  let lastPoll = Promise.resolve()
  let isStopped = false

  const home: Home = {
    ...sealer,
    shared: true,
    async compareAndSwap(expected, desired) {
      const reply = await store.compareAndSwap(expected, desired)
      const wasAlone = failure !== undefined
      failure = 'reason' in reply ? reply : undefined
      if (wasAlone !== (failure !== undefined)) since = clock.now()
      return 'reason' in reply ? undefined : reply
    },
    onUnreadable,
  }

  return {
    home,

    /** Connects, and polls every second and after every connection. */
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

    snapshot: () => ({
      state: failure === undefined ? ('shared' as const) : ('local' as const),
      /** Why the process is alone. */
      reason: failure?.reason,
      code: failure?.code,
      /** When the state began, on the monotonic clock. */
      since,
    }),

    async stop(): Promise<void> {
      isStopped = true
      timer?.cancel()
      await lastPoll
      store.stop()
    },
  }
}

/**
 * Logs in once for a command. With a store, publishes the token there, so that running replicas adopt it instead of losing
 * theirs. `sharing` is undefined without a store.
 *
 * @param openStateDir opens the home of login attempts that is used without a store; undefined for memory.
 */
export async function logInOnce(
  config: Config,
  client: IsalesClient,
  openStateDir: () => Home | undefined,
  signal: AbortSignal,
) {
  const clock = systemClock
  const { random } = Math
  const share = await openShare({ config, clock, random, onUnreadable() {}, observeCall() {} })
  const register = createRegister(clock, share?.home ?? openStateDir())
  const requests = createTokenRequests({ client, register, rules: config, clock, random })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const login = { operation: 'login', credentials, signal, loginDue: true } as const

  /** Waits while another process asks iSales. */
  const inTurn = async (request: TokenRequest): Promise<TokenResult> => {
    const end = clock.now() + MAX_WAIT
    for (;;) {
      const result = await requests.requestToken(request)
      const isBusy = 'postponed' in result && result.postponed === 'busy'
      if (!isBusy || signal.aborted || clock.now() > end) return result
      // The clock's timers would not keep the process alive.
      await delay(result.ms, undefined, { signal }).catch(() => undefined)
    }
  }

  share?.start(async () => void (await requests.poll(credentials)))
  try {
    let result = await inTurn(login)
    if ('token' in result && result.adopted) {
      // The replicas' token is known now, so the next request logs in, unless the store fails.
      const current = createToken(result.token, config, 0)
      result = await inTurn({ ...login, current, loginDue: false })
    }
    return { result, sharing: share?.snapshot() }
  } finally {
    await register.stop()
    await share?.stop()
  }
}
