import { expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import { createRegister } from '../../src/token/register.ts'
import { createTokenRequests } from '../../src/token/request-token.ts'
import { createToken, type Granted, type Token } from '../../src/token/token.ts'
import { manualClock } from '../support/manual-clock.ts'
import { openMemoryStore } from './memory-store.ts'
import { credentialsOf, DOWN, grant, REFUSED, refreshed, RULES, START as NOW } from './support.ts'

/** A store in memory and replicas on it; a replica's logins and refreshes give the next of `results`. */
function openStore(rules = RULES) {
  const clock = manualClock(NOW)
  const openShare = openMemoryStore(clock)
  const network = { isLost: false, takes: 0 }
  type Result = Token | AuthFailure
  const openReplica = (...results: (Result | Promise<Result>)[]) => {
    const asked: string[] = []
    const { home } = openShare(async (swap) => {
      const reply = swap()
      if (network.takes > 0) await clock.sleep(network.takes)
      return network.isLost ? { reason: 'timeout' } : reply
    })
    const answer = (operation: string) => async () => {
      asked.push(operation)
      return results.shift() ?? DOWN
    }
    const { poll, requestToken } = createTokenRequests({
      client: { login: answer('login'), refresh: answer('refresh') },
      register: createRegister(clock, home),
      rules,
      clock,
      random: () => 0.5,
    })
    const { signal } = new AbortController()
    const request = { credentials: credentialsOf('p'), signal, loginDue: false, failures: 0 }
    const current = (of: Token) => createToken(of, RULES, 0)
    return {
      asked,
      poll: () => poll(request.credentials),
      login: (password = 'p') =>
        requestToken({
          ...request,
          credentials: credentialsOf(password),
          operation: 'login',
          loginDue: true,
        }),
      replaceRejected: (rejectedAt: number) =>
        requestToken({ ...request, operation: 'login', current: current(grant()), rejectedAt }),
      refresh: (of: Token) =>
        requestToken({ ...request, operation: 'refresh', current: refreshed(of) }),
    }
  }
  return { clock, network, openReplica }
}

it.each([
  [3600, 3_595_000],
  [undefined, undefined],
])('a refresh without a refresh token keeps the previous one, of %s s', async (lives, left) => {
  const { clock, openReplica } = openStore()
  const first = grant({ token: 't1', refreshToken: 'r1', refreshLives: lives })
  const one = openReplica(first, grant({ token: 't2', sentAt: NOW + 5000, refreshToken: null }))
  const other = openReplica()
  await one.login()
  expect(await other.login()).toMatchObject({ adopted: true })
  await clock.advance(6000)
  await one.refresh(first)
  const { token, refreshToken, refreshLifetime } = (await other.poll()).token ?? {}
  expect([token?.reveal(), refreshToken?.reveal(), refreshLifetime]).toEqual(['t2', 'r1', left])
  expect([one.asked, other.asked]).toEqual([['login', 'refresh'], []])
})

it.each([
  ['refreshToken', { refreshLives: 60 }, 60],
  ['refreshToken', { lives: 60 }, 60],
  ['refreshToken', { refreshLives: undefined }, 300],
  ['refreshToken', { refreshLives: 60, refreshToken: null }, 300],
  ['token', { refreshLives: 60 }, 300],
] as const)(
  'a token whose header carries the %s of %j lives for %d s',
  async (field, of, lives) => {
    const isalesTokenHeader = { ...RULES.isalesTokenHeader, field }
    const { openReplica } = openStore({ ...RULES, isalesTokenHeader })
    const lifetime = { ms: lives * 1000 }
    expect(await openReplica(grant(of)).login()).toMatchObject({ token: { lifetime } })
  },
)

it('a login that takes 5.5 s renews its lease, and no other replica logs in', async () => {
  const { clock, openReplica } = openStore()
  const [one, other] = [openReplica(clock.sleep(5500).then(() => grant())), openReplica()]
  const first = one.login()
  for (let second = 0; second < 5; second += 1) {
    await clock.advance(1000)
    await one.poll()
    expect(await other.login()).toMatchObject({ postponed: 'busy' })
  }
  await clock.advance(500)
  expect(await first).toMatchObject({ adopted: false })
  expect([await other.login(), other.asked]).toMatchObject([{ adopted: true }, []])
})

it.each([
  ['granted', grant()],
  ['rejected', REFUSED],
])('a login that is %s takes as long as iSales, wherever the account lives', async (_, result) => {
  const { clock, network, openReplica } = openStore()
  network.takes = 200
  const login = openReplica(clock.sleep(470).then(() => result)).login()
  await clock.advance(2000)
  expect(await login).toMatchObject({ durationMs: 70 })
})

it('an attempt that was written without a reply is taken back if no login was sent', async () => {
  const { clock, network, openReplica } = openStore()
  const second = grant({ token: 't2', sentAt: NOW + 6000 })
  const { login, replaceRejected, asked } = openReplica(REFUSED, second)
  await login()
  await clock.advance(5000)
  network.isLost = true
  const rejectedAt = clock.now()
  expect(await replaceRejected(rejectedAt)).toMatchObject({ postponed: 'busy', ms: 100 })
  network.isLost = false
  await clock.advance(100)
  expect(await replaceRejected(rejectedAt)).toMatchObject({ token: { sentAt: NOW + 6000 } })
  expect(asked).toEqual(['login', 'login'])
})

it('an attempt that was written without a reply leaves the record of other credentials', async () => {
  const { clock, network, openReplica } = openStore()
  const { login, replaceRejected } = openReplica(REFUSED)
  await login('q')
  network.isLost = true
  expect(await replaceRejected(clock.now())).toMatchObject({ postponed: 'busy' })
  network.isLost = false
  expect(await login('q')).toMatchObject({ postponed: 'login-pause', record: { attempts: 1 } })
})

it("a refreshed token of another password stays that password's", async () => {
  const { clock, openReplica } = openStore()
  const first = grant({ token: 't1', refreshToken: 'r1' })
  const one = openReplica(first)
  const other = openReplica(grant({ token: 't2', sentAt: NOW + 5000 }))
  await one.login('q')
  const adopted = (await other.refresh(grant({ token: 't0', sentAt: NOW - 1 }))) as Granted
  await clock.advance(6000)
  await other.refresh(adopted.token)
  const found = (await openReplica().login('q')) as Granted
  expect(found.token.token.reveal()).toBe('t2')
  expect([adopted, found].map((one) => one.adopted)).toEqual([true, true])
  expect([adopted, found].map(({ token, name }) => token.of === name)).toEqual([false, true])
  expect([one.asked, other.asked]).toEqual([['login'], ['refresh']])
})
