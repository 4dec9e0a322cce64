// Replica of `sharing.ts`: a token source with connections of its own to the real store.
import { systemClock, type Clock } from '../src/clock.ts'
import { Secret } from '../src/config/secret.ts'
import { createSealer } from '../src/sharing/sealer.ts'
import { createShare } from '../src/sharing/index.ts'
import { createValkeyStore, type Store } from '../src/sharing/valkey.ts'
import type { Grant } from '../src/token/isales-client.ts'
import { createRegister } from '../src/token/register.ts'
import { createTokenSource, type TokenSource } from '../src/token/token-source.ts'
import { storeSettings } from '../test/store/connect.ts'

const LIFETIME = 10_000

/** iSales's grant; `count` names the token. */
export interface Granted {
  readonly count: number
}

export interface ReplicaOptions {
  readonly index: number
  readonly port: number
  readonly ask: (index: number, operation: 'logins' | 'refreshes') => Promise<Granted>
  readonly onAdopted?: (token: string) => void
  readonly onSwap?: (durationMs: number) => void
}

export interface Replica {
  readonly source: TokenSource
  readonly store: Store
  /** Simulates a killed process: the replica does nothing more. */
  readonly kill: () => void
  readonly stop: () => Promise<void>
}

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { index, port, ask } = options
  let dead = false
  const clock: Clock = {
    ...systemClock,
    setTimer: (run, ms) => systemClock.setTimer(() => (dead ? undefined : run()), ms),
  }
  const sealer = createSealer(new Secret('k'.repeat(32)), 'https://isales', 'obs')
  const settings = storeSettings({ SESSION_STORE_URL: `valkey://127.0.0.1:${port}` })
  const parts = { rules: settings.config, clock, random: Math.random }
  const store = await createValkeyStore(settings.address, sealer.entryName, {
    ...parts,
    config: settings.config,
    observeCall({ operation, durationMs }) {
      if (operation === 'swap') options.onSwap?.(durationMs)
    },
  })
  const request = (operation: 'logins' | 'refreshes') => async (): Promise<Grant> => {
    const sentAt = clock.now()
    return grantOf(await ask(index, operation), sentAt)
  }
  const client = { login: request('logins'), refresh: request('refreshes') }
  const share = createShare(store, sealer, { clock, onUnreadable() {} })
  const register = createRegister(clock, share.home)
  const source = createTokenSource({
    ...parts,
    client,
    register,
    credentials: { user: 'obs', password: new Secret('p') },
    observe(event) {
      if (event.type === 'adopted') options.onAdopted?.(event.token.token.reveal())
    },
  })
  register.start(source.poll)
  return {
    source,
    store,
    kill() {
      dead = true
      store.stop()
    },
    async stop() {
      await source.stop()
      await register.stop()
    },
  }
}

/** Milliseconds on the clock that all processes of a machine share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export const tokenOf = ({ count }: Granted): string => `token-${count}`

function grantOf(granted: Granted, sentAt: number): Grant {
  return {
    token: new Secret(tokenOf(granted)),
    sentAt,
    lifetime: { ms: LIFETIME },
    refreshToken: new Secret(`refresh-${granted.count}`),
    refreshLifetime: 3_600_000,
  }
}
