// Shares one account among all replicas with the same store, key, iSales and user: the register's home on Valkey or Redis, its
// sealer. `token/` does not know this folder. ioredis is loaded when a share opens.
import type { Home } from '../token/index.ts'
import { createSealer, type Sealer } from './sealer.ts'
import { createValkeyStore, type Store, type StoreFailure, type ValkeyOptions } from './valkey.ts'

export { STORE_OPERATIONS, type StoreCall } from './valkey.ts'

interface ShareOptions extends ValkeyOptions {
  readonly onUnreadable: () => void
}

/** Opens the configured share; undefined without `SESSION_STORE_URL` and its key. */
export async function openShare(options: ShareOptions): Promise<Share | undefined> {
  const { isalesUrl, isalesUser, sessionStoreUrl: address, sessionStoreKey: key } = options.config
  if (address === undefined || key === undefined) return undefined
  const sealer = createSealer(key, isalesUrl, isalesUser)
  const store = await createValkeyStore(address, sealer.entryName, options)
  return createShare(store, sealer, options)
}

export type Share = ReturnType<typeof createShare>
export type SharingSnapshot = Readonly<ReturnType<Share['snapshot']>>

export function createShare(
  store: Store,
  sealer: Sealer,
  { clock, onUnreadable }: Pick<ShareOptions, 'clock' | 'onUnreadable'>,
) {
  let failure: StoreFailure | undefined
  let since = clock.now()

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
    start: (onChange) => store.start(onChange),
    close: () => store.stop(),
  }

  return {
    home,

    snapshot: () => ({
      state: failure === undefined ? ('shared' as const) : ('local' as const),
      /** Why the process is alone. */
      reason: failure?.reason,
      code: failure?.code,
      /** When the state began, on the monotonic clock. */
      since,
    }),
  }
}
