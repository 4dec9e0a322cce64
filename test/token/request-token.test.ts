import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { AuthFailure, Grant } from '../../src/token/isales-client.ts'
import { createRegister, type StoredValue } from '../../src/token/register.ts'
import { createTokenRequests } from '../../src/token/request-token.ts'
import { createToken } from '../../src/token/token.ts'
import { compareAndSwap } from '../simulation/swap.ts'
import { manualClock } from '../support/manual-clock.ts'
import { credentialsOf, DOWN, grant, REFUSED, RULES } from './support.ts'

const NOW = 1_000_000

/** A store in memory, and replicas on it, whose logins and refreshes give the next of these results. */
function openStore() {
  const clock = manualClock(NOW)
  let value = ''
  let isLost = false
  const sealer = createSealer(new Secret('k'.repeat(32)), 'https://isales', 'obs')
  const openReplica = (...results: readonly (Grant | AuthFailure)[]) => {
    const left = [...results]
    const asked: string[] = []
    const operations: string[] = []
    const store = {
      compareAndSwap: async (
        seen: string,
        next: string,
      ): Promise<StoredValue | { readonly reason: 'timeout' }> => {
        operations.push(next === '' ? 'read' : 'swap')
        value = compareAndSwap(value, seen, next)
        return isLost ? { reason: 'timeout' } : { value, at: clock.now() }
      },
      start() {},
      stop() {},
    }
    const { home } = createShare({ store, sealer, clock, onUnreadable() {} })
    const answer = (operation: string) => async () => {
      asked.push(operation)
      return left.shift() ?? DOWN
    }
    const requests = createTokenRequests({
      client: { login: answer('login'), refresh: answer('refresh') },
      register: createRegister({ home, clock }),
      rules: RULES,
      clock,
      random: () => 0.5,
    })
    const login = {
      operation: 'login',
      credentials: credentialsOf('p'),
      signal: new AbortController().signal,
      loginDue: true,
      failures: 0,
    } as const
    return {
      asked,
      operations,
      poll: requests.poll,
      login: (more: { readonly rejectedAt?: number } = {}) =>
        requests.requestToken({
          ...login,
          current: 'rejectedAt' in more ? createToken(grant(), RULES, 0) : undefined,
          loginDue: !('rejectedAt' in more),
          ...more,
        }),
      refresh: (of: Grant) =>
        requests.requestToken({
          ...login,
          operation: 'refresh',
          loginDue: false,
          current: createToken(of, RULES, 0),
        }),
    }
  }
  return { clock, openReplica, lose: (lost: boolean) => void (isLost = lost) }
}

it.each([
  [3600, 3_595_000],
  [undefined, undefined],
])(
  'a refresh without a refresh token publishes the previous one with its life of %s s',
  async (refreshLives, left) => {
    const { clock, openReplica } = openStore()
    const first = grant({ token: 't1', refreshToken: 'r1', refreshLives })
    const one = openReplica(first, grant({ token: 't2', sentAt: NOW + 5000, refreshToken: null }))
    const other = openReplica()
    await one.login()
    expect(await other.login()).toMatchObject({ grant: { adopted: true } })
    await clock.advance(6000)
    await one.refresh(first)
    const found = await other.poll()
    expect(found?.grant.token.reveal()).toBe('t2')
    expect(found?.grant.refreshToken?.reveal()).toBe('r1')
    expect(found?.grant.refreshLifetime).toBe(left)
    expect([one.asked, other.asked]).toEqual([['login', 'refresh'], []])
  },
)

it('a replica that has asked for nothing finds nothing', async () => {
  expect(await openStore().openReplica().poll()).toBeUndefined()
})

it('a login takes two writes, and a refresh two', async () => {
  const { openReplica } = openStore()
  const { login, refresh, operations } = openReplica(grant(), grant({ token: 't2' }))
  await login()
  // The clock of the store is not known before.
  expect(operations.splice(0)).toEqual(['read', 'swap', 'swap'])
  await refresh(grant())
  expect(operations).toEqual(['swap', 'swap'])
})

it('an attempt whose write was taken and whose reply was lost is taken back if nothing was sent', async () => {
  const { clock, openReplica, lose } = openStore()
  const { login, asked } = openReplica(REFUSED, grant({ token: 't2', sentAt: NOW + 6000 }))
  await login()
  await clock.advance(5000)
  lose(true)
  const rejectedAt = clock.now()
  expect(await login({ rejectedAt })).toMatchObject({ postponed: 'busy', ms: 100 })
  lose(false)
  await clock.advance(100)
  expect(await login({ rejectedAt })).toMatchObject({ grant: { sentAt: NOW + 6000 } })
  expect(asked).toEqual(['login', 'login'])
})

it('a guarded login says what is known of the last one', async () => {
  const { openReplica } = openStore()
  await openReplica(REFUSED).login()
  expect(await openReplica().login()).toMatchObject({
    postponed: 'guarded',
    ms: 5000,
    record: { attempts: 1, lastCode: 'password' },
  })
})
