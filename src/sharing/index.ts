// One token, and one book of logins, for all replicas that use the same store, key, iSales and user.
// It wraps the client of iSales; the token source knows nothing of it but `adopt`. ioredis is loaded when a share opens.
import { setTimeout as delay } from 'node:timers/promises'
import { SECOND, systemClock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import {
  createToken,
  withBook,
  type Ask,
  type BookStore,
  type IsalesClient,
  type Outcome,
} from '../token/index.ts'
import type { StoreCall } from './cell.ts'
import { createSeal } from './seal.ts'
import { createShare, type Share, type ShareOptions } from './share.ts'
import { createValkeyCell } from './valkey.ts'

export { STORE_OPERATIONS, type SharingSnapshot, type StoreCall } from './cell.ts'

/** A login of a replica takes 5 s at most, and one that has died is waited for 3 s. */
const MAX_WAIT = 7 * SECOND

export interface OpenShareOptions extends Omit<ShareOptions, 'cell' | 'seal'> {
  readonly config: Config
  readonly observeCall: (call: StoreCall) => void
}

/** Sharing as it is configured; undefined without `SESSION_STORE_URL` and its key. Connects when it is started. */
export async function openShare(options: OpenShareOptions): Promise<Share | undefined> {
  const { config, observeCall } = options
  const { sessionStoreUrl: address, sessionStoreKey: key } = config
  if (address === undefined || key === undefined) return undefined
  const seal = createSeal(key, config.isalesUrl, config.isalesUser)
  const { place } = seal
  const cell = await createValkeyCell({ ...options, address, place, observe: observeCall })
  return createShare({ ...options, cell, seal })
}

/**
 * One login of a command: through the store and published there, so that running replicas take the new token instead of
 * losing theirs; or without one.
 *
 * @returns `sharing`: undefined when no store is configured.
 */
export async function logInOnce(
  config: Config,
  isales: IsalesClient,
  book: BookStore,
  signal: AbortSignal,
) {
  const logins = { client: isales, book, rules: config, clock: systemClock, random: Math.random }
  const share = await openShare({ ...logins, config, onUnreadable() {}, observeCall() {} })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const ask: Ask = { operation: 'login', credentials, signal, loginDue: true, failures: 0 }
  if (share === undefined) return { outcome: await withBook(logins)(ask), sharing: undefined }

  /** Waits while a replica asks: its token comes soon. */
  const inTurn = async (asked: Ask): Promise<Outcome> => {
    const end = systemClock.now() + MAX_WAIT
    for (;;) {
      const outcome = await share.client(asked)
      const isBusy = 'deferred' in outcome && outcome.deferred === 'busy'
      if (!isBusy || signal.aborted || systemClock.now() > end) return outcome
      await delay(outcome.ms, undefined, { signal }).catch(() => undefined)
    }
  }

  share.start(() => {})
  try {
    let outcome = await inTurn(ask)
    if ('token' in outcome && outcome.adopted === true) {
      // The token of the replicas is known now: the next login gives another one, but not without the store.
      const current = createToken(outcome, config, 0)
      outcome = await inTurn({ ...ask, current, loginDue: false })
    }
    return { outcome, sharing: share.snapshot() }
  } finally {
    await share.stop()
  }
}
