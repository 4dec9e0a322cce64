// A replica of `sharing.ts`: a token source with its own connections to the real store.
import { systemClock, type Clock } from '../src/clock.ts'
import { Secret } from '../src/config/secret.ts'
import { createSeal } from '../src/sharing/seal.ts'
import { createShare } from '../src/sharing/share.ts'
import type { Cell } from '../src/sharing/cell.ts'
import { createValkeyCell } from '../src/sharing/valkey.ts'
import { openBook } from '../src/token/book-file.ts'
import type { Grant } from '../src/token/protocol.ts'
import { createTokenSource, type TokenSource } from '../src/token/source.ts'
import { storeSettings } from '../test/store/connect.ts'

const LIFETIME = 10_000

/** Grant of iSales; `count` names the token. */
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
  readonly cell: Cell
  /** Simulates a killed process: the replica does nothing more. */
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
  const settings = storeSettings({ SESSION_STORE_URL: `valkey://127.0.0.1:${port}` })
  const nothing = { onTrouble() {}, onExposed() {} }
  const book = openBook({ directory: undefined, clock, wallClock: Date.now, ...nothing })
  const parts = { rules: settings.config, book, clock, random: Math.random }
  const cell = await createValkeyCell({
    ...settings,
    ...parts,
    place: seal.place,
    observe({ operation, durationMs }) {
      if (operation === 'swap') options.onSwap?.(durationMs)
    },
  })
  const request = (operation: 'logins' | 'refreshes') => async (): Promise<Grant> => {
    const sentAt = clock.now()
    return grantOf(await ask(index, operation), sentAt)
  }
  const client = { login: request('logins'), refresh: request('refreshes') }
  const share = createShare({ ...parts, client, cell, seal, onUnreadable: () => undefined })
  const source = createTokenSource({
    ...parts,
    client: share.client,
    learnsWithin: share.learnsWithin,
    credentials: { user: 'obs', password: new Secret('p') },
    observe(event) {
      if (event.type === 'adopted') options.onAdopted?.(event.token.token.reveal())
    },
  })
  share.start(source.adopt)
  return {
    source,
    cell,
    kill() {
      dead = true
      cell.stop()
    },
    async stop() {
      await source.stop()
      await share.stop()
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
