import { systemClock } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import type { Ask, AtHand, Obtained, Wanted } from '../token/obtain.ts'
import type { SharingSnapshot } from '../token/sharing.ts'
import { createToken } from '../token/token.ts'
import { openShare } from './open.ts'

export interface SharedLogin {
  readonly obtained: Obtained
  readonly store: Pick<SharingSnapshot, 'state' | 'reason'>
  /** Replicas that listen with this key, this process not among them; undefined: not known. */
  readonly others: number | undefined
}

/** One login under the lease, published, so that running replicas take the new token instead of losing theirs. */
export async function logInShared(
  config: Config,
  ask: Ask,
  signal: AbortSignal,
): Promise<SharedLogin | undefined> {
  const ignore = (): void => {}
  const share = await openShare({
    config,
    clock: systemClock,
    random: Math.random,
    observe: ignore,
    observeCall: ignore,
  })
  if (share === undefined) return undefined
  const wanted = (atHand: AtHand | undefined): Wanted => ({
    operation: 'login',
    password: config.isalesPassword,
    atHand,
    refusals: 0,
    forced: false,
  })
  share.start({ atHand: () => undefined, adopt: ignore })
  try {
    let obtained = await share.obtain(wanted(undefined), ask, signal)
    if (obtained.by === 'another') {
      const { grant, sentAt } = obtained.adopted
      const origin = { sentAt, operation: 'login', previous: undefined } as const
      const token = createToken(grant, config, origin)
      obtained = await share.obtain(wanted({ token, rejected: false }), ask, signal)
    }
    if (obtained.by === 'us') obtained.settle?.(0)
    const replicas = await share.replicas()
    return {
      obtained,
      store: share.snapshot(),
      others: replicas === undefined ? undefined : Math.max(0, replicas - 1),
    }
  } finally {
    await share.stop()
  }
}
