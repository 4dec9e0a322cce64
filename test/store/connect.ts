import { randomBytes } from 'node:crypto'
import { systemClock } from '../../src/clock.ts'
import type { SessionStore } from '../../src/sharing/store.ts'
import type { StoreCall } from '../../src/token/sharing.ts'
import { createValkeyStore, type ValkeyOptions } from '../../src/sharing/valkey.ts'
import { closing } from '../support/tcp-server.ts'

export interface Connected {
  readonly store: SessionStore
  readonly calls: StoreCall[]
  /** How often the store asked to look again. */
  readonly looks: () => number
}

/** A store on a server at this port, connected, or given up after a second. */
export async function connect(
  port: number,
  changes: Partial<ValkeyOptions> = {},
): Promise<Connected> {
  const calls: StoreCall[] = []
  let looks = 0
  const store = await createValkeyStore({
    servers: [{ host: '127.0.0.1', port }],
    database: 0,
    user: undefined,
    password: undefined,
    sentinel: undefined,
    tls: undefined,
    timeout: 500,
    prefix: 'isales-auth-proxy:{test}:',
    clock: systemClock,
    random: Math.random,
    observe: (call) => calls.push(call),
    ...changes,
  })
  closing.push(() => store.stop())
  store.start(() => {
    looks += 1
  })
  await store.connected(2000)
  return { store, calls, looks: () => looks }
}

export const FINGERPRINT = 'f'.repeat(22)
export const PROCESS_A = 'a'.repeat(16)
export const PROCESS_B = 'b'.repeat(16)
export const HOLD_GRACE = 600_000
export const GUARD_GRACE = 86_400_000

export function claimBy(process: string, changes: object = {}) {
  return {
    seen: '',
    lease: `${process}-1`,
    leaseMs: 3000,
    operation: 'login' as const,
    fingerprint: FINGERPRINT,
    holdGrace: HOLD_GRACE,
    guardGrace: GUARD_GRACE,
    refusals: 0,
    ...changes,
  }
}

/** A record as the store sees it: an id, a dot, and bytes. */
export function record(): { readonly id: string; readonly record: string } {
  const id = randomBytes(16).toString('base64url')
  return { id, record: `${id}.${randomBytes(60).toString('base64url')}` }
}
