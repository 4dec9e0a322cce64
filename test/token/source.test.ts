import { describe, expect, it, vi } from 'vitest'
import { openFresh, openSource } from './source-support.ts'
import type { Token } from '../../src/token/token.ts'
import { credentialsOf, grant, REFUSED } from './support.ts'

const FAR = 1e9

/** A source whose first token was rejected, and the second one. */
async function openRenewed() {
  const opened = await openFresh(grant())
  const first = opened.reject(opened.token)
  await opened.clock.advance(1)
  await opened.last().respond(grant({ token: 't2' }))
  await first
  const second = opened.source.current()
  if (second === undefined) throw new Error('no second token')
  return { ...opened, second }
}

const rejectedWith = ({ generation }: Token) => ({ generation, overtaken: false })

it('the token source has one timer, none when it is stopped, and always gives a token that is there', async () => {
  const { source, clock, wait, token } = await openFresh(grant())
  expect([clock.waiting(), await wait()]).toEqual([[240_000], token])
  void source.stop()
  expect([clock.waiting(), await wait()]).toEqual([[], token])
  source.adopt({ ...grant({ token: 't2' }), adopted: true })
  expect([clock.waiting(), source.current()]).toMatchObject([[], { generation: 2 }])
})

describe('a request that waits', () => {
  it('is given no token that comes too late to be used, but the next', async () => {
    const { source, clock, asked, wait } = openSource()
    source.start()
    await clock.advance(0)
    const waited = wait()
    await clock.advance(2000)
    await asked[0]?.respond(grant({ lives: 1 }))
    expect(source.current()).toBeUndefined()
    await asked[1]?.respond(grant({ token: 't2' }))
    expect(await waited).toMatchObject({ generation: 2 })
  })

  it('is given the token of another replica', async () => {
    const { source, wait } = openSource()
    source.start()
    const waited = wait()
    source.adopt({ ...grant(), adopted: true })
    expect(await waited).toMatchObject({ generation: 1, adopted: true })
  })

  it('ends as soon as no token request will be made in time', async () => {
    const { source, clock, last, wait } = openSource()
    source.start()
    await clock.advance(0)
    const waited = wait()
    await clock.advance(300)
    await last().respond(REFUSED)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 5000 })
  })

  it('1,000 are all served by one login', async () => {
    const { source, clock, asked, wait, last } = openSource()
    source.start()
    await clock.advance(0)
    const waits = Array.from({ length: 1000 }, () => wait())
    const busy = { waiters: 1000, request: 'login', nextRequestAt: undefined }
    expect(source.snapshot()).toMatchObject(busy)
    await last().respond(grant())
    expect(new Set(await Promise.all(waits))).toEqual(new Set([source.current()]))
    expect(asked).toHaveLength(1)
  })

  it('is ended when the source stops, and so is the login', async () => {
    const { source, last, wait, clock, events } = openSource()
    const away = { unavailable: 'shutting-down', retryAfter: 1000 }
    expect(await wait()).toEqual(away)
    source.start()
    await clock.advance(0)
    const waited = wait()
    void source.stop()
    expect([await waited, await wait()]).toEqual([away, away])
    expect(last().signal.aborted).toBe(true)
    await last().respond(grant())
    await clock.advance(FAR)
    expect(source.current()).toBeUndefined()
    expect(events).toHaveLength(1)
  })
})

describe('a rejected call', () => {
  it('asks for one newer token, however many are rejected, and each is sent again with it', async () => {
    const { asked, events, token, clock, last, accept, reject } = await openFresh(grant())
    accept(token)
    const verdicts = Array.from({ length: 500 }, () => reject(token))
    await clock.advance(5)
    await last().respond(grant({ token: 't2' }))
    const replay = { type: 'replay', token: expect.objectContaining({ generation: 2 }) as unknown }
    expect(new Set((await Promise.all(verdicts)).map(({ type }) => type))).toEqual(
      new Set(['replay']),
    )
    expect(events.filter(({ type }) => type === 'token-rejected')).toHaveLength(1)
    // A report that was still on its way.
    expect(await reject(token)).toMatchObject(replay)
    expect(asked).toHaveLength(2)
  })

  it('is sent again with the same token when a later call was accepted, and then relayed', async () => {
    const { source, clock, token, asked, reject, accept } = await openFresh(grant())
    accept(token)
    const first = reject(token)
    await clock.advance(1)
    accept(token)
    expect(await first).toMatchObject({ type: 'replay', token })
    expect(await reject(token, { rejected: rejectedWith(token), replays: 1 })).toEqual({
      type: 'relay',
      why: 'not-curable',
    })
    // The token request that was asked for is in flight.
    expect(asked).toHaveLength(2)
    expect(source.current()).toBe(token)
  })

  it.each([
    ['in flight', 'no-token', false],
    ['failed', 'relay', true],
  ] as const)('at its deadline, with the renewal %s, ends with %s', async (_, type, fails) => {
    const { clock, token, last, reject } = await openFresh(grant())
    const verdict = reject(token)
    await clock.advance(100)
    if (fails) {
      await last().respond(REFUSED)
      await last().respond(REFUSED)
    }
    await clock.advance(2500)
    expect(await verdict).toMatchObject({ type })
  })

  it('is not relayed while a renewal is in flight when its client leaves or the source stops', async () => {
    const { source, clock, token, reject } = await openFresh(grant())
    const left = new AbortController()
    const waits = [reject(token, { signal: left.signal }), reject(token)]
    left.abort()
    await clock.advance(1)
    void source.stop()
    const types = (await Promise.all(waits)).map(({ type }) => type)
    expect(types).toEqual(['no-token', 'no-token'])
    expect(source.snapshot().waiters).toBe(0)
  })

  it('of a token that has ended meanwhile waits for the next', async () => {
    const { clock, token, last, reject } = await openFresh(grant({ lives: 1 }))
    await clock.advance(950)
    const verdict = reject(token)
    await clock.advance(50)
    await last().respond(grant({ token: 't2' }))
    expect(await verdict).toMatchObject({ type: 'replay', token: { generation: 2 } })
  })

  it('that is not cured by the second of two renewals is relayed at its deadline', async () => {
    const { clock, token, second, reject } = await openRenewed()
    void reject(second, { rejected: rejectedWith(token), replays: 1 })
    const late = reject(second)
    await clock.advance(6000)
    expect(await late).toEqual({ type: 'relay', why: 'no-newer-token' })
  })

  it('that was sent again, where renewals cure, is relayed when its token turns out to work', async () => {
    const { source, clock, token, second, reject, accept } = await openRenewed()
    source.accept(second, clock.now(), rejectedWith(token))
    const newer = reject(second, { rejected: rejectedWith(token), replays: 1 })
    await clock.advance(1)
    accept(second)
    const same = reject(second, { rejected: rejectedWith(second), replays: 1 })
    const relayed = { type: 'relay', why: 'not-curable' }
    expect(await Promise.all([newer, same])).toEqual([relayed, relayed])
  })

  it('1,000 calls that are rejected cost no look at each other', async () => {
    const { source, clock, token, reject } = await openFresh(grant())
    const looks = vi.spyOn(clock, 'now')
    const waits = Array.from({ length: 1000 }, () => reject(token))
    expect(looks.mock.calls.length).toBeLessThan(20_000)
    void source.stop()
    await Promise.all(waits)
  })
})

describe('new credentials', () => {
  it('that change back and forth between two that are refused get 6 logins in 15 min', async () => {
    const { source, clock, asked, last } = openSource()
    source.start()
    await clock.advance(0)
    for (let second = 0; second < 900; second += 1) {
      if (second % 20 === 19) {
        source.changeCredentials(credentialsOf(second % 40 === 19 ? 'wrong too' : 'wrong'))
      }
      await last().respond(REFUSED)
      await clock.advance(1000)
    }
    expect(asked).toHaveLength(6)
  })

  it('that were not refused before are tried now; the present ones change nothing', async () => {
    const { source, clock, asked, last } = await openFresh(grant())
    expect(source.changeCredentials(credentialsOf('wrong'))).toBe(false)
    expect(asked).toHaveLength(1)
    source.changeCredentials(credentialsOf('another'))
    await clock.advance(0)
    await last().respond(REFUSED)
    expect(source.changeCredentials(credentialsOf('wrong'))).toBe(true)
    await clock.advance(0)
    expect(asked).toHaveLength(3)
  })
})

it('a call that is rejected while logins are paused waits for the token of another replica', async () => {
  const { source, clock, token, last, reject } = await openFresh(
    grant({ refreshToken: null }),
    {},
    1200,
  )
  void reject(token)
  await clock.advance(0)
  for (const pause of [5000, 10_000, 0]) {
    await last().respond(REFUSED)
    await clock.advance(pause)
  }
  const verdict = reject(token)
  await clock.advance(1100)
  source.adopt({ ...grant({ token: 't2' }), adopted: true })
  expect(await verdict).toMatchObject({ type: 'replay', token: { generation: 2 } })
})
