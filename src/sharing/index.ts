// One account for all replicas that use the same store, key, iSales and user: the home of the register on Valkey or Redis, its
// sealer, and polling. `token/` knows nothing of it. ioredis is loaded when a share opens.
import { setTimeout as delay } from 'node:timers/promises'
import { SECOND, systemClock, type Clock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import {
  createRegister,
  createToken,
  createTokenRequests,
  type Home,
  type IsalesClient,
  type TokenRequest,
  type TokenResult,
} from '../token/index.ts'
import { createSealer } from './sealer.ts'
import { createShare, type Share } from './share.ts'
import type { StoreCall } from './store.ts'
import { createValkeyStore } from './valkey.ts'

export { STORE_OPERATIONS, type SharingSnapshot, type StoreCall } from './store.ts'

/** A login of a replica takes 5 s at most, and the lease of one that has died expires after 3 s. */
const MAX_WAIT = 7 * SECOND

export type OpenShareOptions = Readonly<{
  config: Config
  clock: Clock
  random: () => number
  onUnreadable: () => void
  observeCall: (call: StoreCall) => void
}>

/** Sharing as it is configured; undefined without `SESSION_STORE_URL` and its key. Connects when it is started. */
export async function openShare(options: OpenShareOptions): Promise<Share | undefined> {
  const { config, observeCall } = options
  const { sessionStoreUrl: address, sessionStoreKey: key } = config
  if (address === undefined || key === undefined) return undefined
  const sealer = createSealer(key, config.isalesUrl, config.isalesUser)
  const { storeKey } = sealer
  const store = await createValkeyStore({ ...options, address, storeKey, observe: observeCall })
  return createShare({ ...options, store, sealer })
}

/**
 * One login of a command: through the store and published there, so that running replicas take the new token instead of
 * losing theirs; or without a store.
 *
 * @param openStateDir opens the home of login attempts that is used without a store. Undefined: memory.
 * @returns `sharing`: undefined if no store is configured.
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
  const register = createRegister({
    home: share === undefined ? openStateDir() : share.home,
    clock,
  })
  const requests = createTokenRequests({ client, register, rules: config, clock, random })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const login = { operation: 'login', credentials, signal, loginDue: true, failures: 0 } as const

  /** Waits while another process asks: its token or its end comes soon. */
  const inTurn = async (request: TokenRequest): Promise<TokenResult> => {
    const end = clock.now() + MAX_WAIT
    for (;;) {
      const result = await requests.requestToken(request)
      const isBusy = 'postponed' in result && result.postponed === 'busy'
      if (!isBusy || signal.aborted || clock.now() > end) return result
      await delay(result.ms, undefined, { signal }).catch(() => undefined)
    }
  }

  share?.start(async () => void (await requests.poll()))
  try {
    let result = await inTurn(login)
    if ('grant' in result && result.grant.adopted === true) {
      // The token of the replicas is known now: the next login gives another one, but not without the store.
      const current = createToken(result.grant, config, 0)
      result = await inTurn({ ...login, current, loginDue: false })
    }
    return { result, sharing: share?.snapshot(undefined) }
  } finally {
    await register.stop()
    await share?.stop()
  }
}
