// One replica of `sharing.ts`: a token source with connections of its own to the real store.
import { systemClock, type Clock } from '../src/clock.ts'
import { Secret } from '../src/config/secret.ts'
import { createSeal } from '../src/sharing/seal.ts'
import { createShare } from '../src/sharing/share.ts'
import type { SessionStore } from '../src/sharing/store.ts'
import { createValkeyStore } from '../src/sharing/valkey.ts'
import type { Grant } from '../src/token/protocol.ts'
import { createTokenSource, type TokenSource } from '../src/token/source.ts'
import { storeSettings } from '../test/store/connect.ts'
import { RULES } from '../test/token/support.ts'

const LIFETIME = 10_000

/** What iSales gives; `count` names the token. */
export interface Granted {
  readonly count: number
}

export interface ReplicaOptions {
  readonly index: number
  readonly port: number
  readonly ask: (index: number, operation: 'logins' | 'refreshes') => Promise<Granted>
  readonly onAdopted?: (token: string) => void
  readonly onClaim?: (durationMs: number) => void
}

export interface Replica {
  readonly source: TokenSource
  readonly store: SessionStore
  /** As when its process is killed: nothing of it happens any more. */
  readonly kill: () => void
  readonly stop: () => Promise<void>
}

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { index, port, ask } = options
  let dead = false
  const clock: Clock = {
    now: () => systemClock.now(),
    setTimer: (run, ms) => systemClock.setTimer(() => (dead ? undefined : run()), ms),
  }
  const seal = createSeal(new Secret('k'.repeat(32)), 'https://isales', 'obs')
  const store = await createValkeyStore({
    ...storeSettings({ SESSION_STORE_URL: `valkey://127.0.0.1:${port}` }),
    place: seal.place,
    clock,
    random: Math.random,
    observe({ operation, durationMs }) {
      if (operation === 'claim') options.onClaim?.(durationMs)
    },
  })
  const share = createShare({
    store,
    seal,
    rules: RULES,
    clock,
    random: Math.random,
    observe: () => undefined,
  })
  const login = async (): Promise<Grant> => grantOf(await ask(index, 'logins'))
  const source = createTokenSource({
    rules: RULES,
    waiters: 10,
    clock,
    random: Math.random,
    client: { login, refresh: async () => grantOf(await ask(index, 'refreshes')) },
    credentials: { user: 'obs', password: new Secret('p') },
    refusals: { find: () => undefined, add: () => undefined, remove: () => undefined },
    obtain: share.obtain,
    observe(event) {
      share.onTokenEvent(event)
      if (event.type === 'adopted') options.onAdopted?.(event.session.token.reveal())
    },
  })
  share.start(source)
  return {
    source,
    store,
    kill() {
      dead = true
      store.stop()
    },
    async stop() {
      source.stop()
      await share.stop()
    },
  }
}

/** Milliseconds on the clock that all processes of a machine share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export const tokenOf = ({ count }: Granted): string => `token-${count}`

function grantOf(granted: Granted): Grant {
  return {
    token: new Secret(tokenOf(granted)),
    lifetime: { ms: LIFETIME, assumed: false },
    refreshToken: new Secret(`refresh-${granted.count}`),
    refreshLifetime: 3_600_000,
  }
}
