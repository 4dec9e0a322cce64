import { describe, expect, it } from 'vitest'
import { openSession, type Token } from '../../src/token/token.ts'
import { createWaiters, type Unavailable, type Wish } from '../../src/token/waiters.ts'
import { manualClock } from '../support/manual-clock.ts'
import { grant, RULES, START } from './support.ts'

const NO_TOKEN: Unavailable = { unavailable: 'no-token', retryAfter: 4000 }

function waiting({ limit = 1000 } = {}) {
  const clock = manualClock(START)
  const waiters = createWaiters({ clock, limit })
  const wait = (wish: Partial<Wish> = {}) =>
    waiters.wait({ after: 0, deadline: clock.now() + 2500, ...wish }, () => 4000)
  return { clock, waiters, wait }
}

function sessionOf(generation: number): Token {
  const session = openSession(grant(), RULES, {
    sentAt: START,
    previous: undefined,
    operation: 'login',
  })
  return { ...session, generation }
}

describe('a request that waits for a token', () => {
  it('is given the session when it comes', async () => {
    const { waiters, wait } = waiting()
    const outcomes = [wait(), wait()]
    expect(waiters.count()).toBe(2)
    const session = sessionOf(1)
    waiters.release(session)
    expect(await Promise.all(outcomes)).toEqual([session, session])
    expect(waiters.count()).toBe(0)
  })

  it('is given none but a newer one than it has', async () => {
    const { clock, waiters, wait } = waiting()
    const outcomes = [wait({ after: 1 }), wait({ after: 2 })]
    waiters.release(sessionOf(2))
    expect(await outcomes[0]).toMatchObject({ generation: 2 })
    expect(waiters.count()).toBe(1)
    await clock.advance(2500)
    expect(await outcomes[1]).toEqual(NO_TOKEN)
  })

  it('ends at its deadline, not before, and is told when to come again', async () => {
    const { clock, waiters, wait } = waiting()
    const outcome = wait()
    await clock.advance(2499)
    expect(waiters.count()).toBe(1)
    await clock.advance(1)
    expect(await outcome).toEqual(NO_TOKEN)
    expect(waiters.count()).toBe(0)
  })

  it('whose deadline is past ends at once', async () => {
    const { clock, wait } = waiting()
    const outcome = wait({ deadline: clock.now() - 1 })
    await clock.advance(0)
    expect(await outcome).toEqual(NO_TOKEN)
  })

  it('frees its place, and its timer, when the client leaves', async () => {
    const { clock, waiters, wait } = waiting()
    const client = new AbortController()
    const outcome = wait({ signal: client.signal })
    client.abort()
    expect(await outcome).toEqual(NO_TOKEN)
    expect(waiters.count()).toBe(0)
    expect(clock.waiting()).toEqual([])
  })

  it('is not kept when the client has left before', async () => {
    const { waiters, wait } = waiting()
    expect(await wait({ signal: AbortSignal.abort() })).toEqual(NO_TOKEN)
    expect(waiters.count()).toBe(0)
  })

  it('ends at once when nothing will happen before its deadline', async () => {
    const { clock, waiters, wait } = waiting()
    const outcomes = [
      wait({ deadline: clock.now() + 1999 }),
      wait({ deadline: clock.now() + 2000 }),
    ]
    waiters.failBefore(clock.now() + 2000, { unavailable: 'no-token', retryAfter: 2000 })
    expect(await outcomes[0]).toEqual({ unavailable: 'no-token', retryAfter: 2000 })
    expect(waiters.count()).toBe(1)
  })

  it('leaves no timer behind, however it ends', async () => {
    const { clock, waiters, wait } = waiting()
    const client = new AbortController()
    const outcomes = [wait({ signal: client.signal }), wait({ after: 5 }), wait()]
    waiters.release(sessionOf(1))
    waiters.failBefore(Infinity, { unavailable: 'shutting-down', retryAfter: 1000 })
    await Promise.all(outcomes)
    expect(clock.waiting()).toEqual([])
    client.abort()
    expect(waiters.count()).toBe(0)
  })
})

describe('more requests than may wait', () => {
  it('are told that there are too many, and the others wait on', async () => {
    const { waiters, wait } = waiting({ limit: 2 })
    const waited = [wait(), wait()]
    expect(await wait()).toEqual({ unavailable: 'overloaded', retryAfter: 1000 })
    expect(waiters.count()).toBe(2)
    waiters.release(sessionOf(1))
    expect(await Promise.all(waited)).toHaveLength(2)
  })

  it('may wait as soon as a place is free', async () => {
    const { clock, waiters, wait } = waiting({ limit: 1 })
    const first = wait()
    await clock.advance(2500)
    await first
    const second = wait()
    expect(waiters.count()).toBe(1)
    waiters.release(sessionOf(1))
    expect(await second).toMatchObject({ generation: 1 })
  })
})
