import { systemClock } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import type { Ask, AtHand, Wanted } from '../token/obtain.ts'
import type { StoreCall } from '../token/sharing.ts'
import { createToken } from '../token/token.ts'
import { createSeal } from './seal.ts'
import { createShare, type Share, type ShareOptions } from './share.ts'
import { createValkeyStore } from './valkey.ts'

export interface OpenShareOptions extends Pick<ShareOptions, 'clock' | 'random' | 'observe'> {
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
  const store = await createValkeyStore({ ...options, address, place, observe: observeCall })
  return createShare({ ...options, rules: config, store, seal })
}

/**
 * One login of a command, under the lease and published, so that running replicas take the new token instead of losing
 * theirs. Undefined when no store is configured.
 */
export async function logInShared(config: Config, ask: Ask, signal: AbortSignal) {
  const ignore = (): void => {}
  const share = await openShare({
    config,
    clock: systemClock,
    random: Math.random,
    observe: ignore,
    observeCall: ignore,
  })
  if (share === undefined) return undefined
  const wanted = (atHand?: AtHand): Wanted => ({
    operation: 'login',
    password: config.isalesPassword,
    atHand,
    refusals: 0,
    forced: false,
  })
  share.start({ atHand: () => undefined, adopt: ignore })
  try {
    let obtained = await share.obtain(wanted(), ask, signal)
    if (obtained.type === 'adopted') {
      // The token of the replicas is known now: the next claim asks for another one, but not without the store.
      const { grant, sentAt } = obtained
      const token = createToken(grant, config, { sentAt, operation: 'login', previous: undefined })
      obtained = await share.obtain(wanted({ token, rejected: false }), ask, signal)
    }
    if (obtained.type === 'request-ended') obtained.settle?.(0)
    const replicas = await share.replicas()
    return {
      obtained,
      store: share.snapshot(),
      /** Replicas that listen with this key, this process not among them; undefined: not known. */
      others: replicas === undefined ? undefined : Math.max(0, replicas - 1),
    }
  } finally {
    await share.stop()
  }
}
