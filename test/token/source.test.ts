import { describe, expect, it } from 'vitest'
import { obtainDirectly, type Obtain } from '../../src/token/obtain.ts'
import { credentialsOf, headerValue, openFresh, openSource } from './source-support.ts'
import { DOWN, grant, REFUSED, START } from './support.ts'

const FAR = 1e9

describe('the token source', () => {
  it('logs in when it is started, not before', async () => {
    const { source, asked, clock, last } = openSource()
    await clock.advance(60_000)
    expect(asked).toHaveLength(0)
    source.start()
    expect([last().operation, source.current()]).toEqual(['login', undefined])
    await last().respond(grant())
    expect(headerValue(source.current())).toBe('Bearer t1')
  })

  it('refreshes ahead of the end, with both tokens, while the old one serves', async () => {
    const { source, asked, clock, last } = await openFresh(grant())
    await clock.advance(239_999)
    expect(asked).toHaveLength(1)
    await clock.advance(1)
    expect(last()).toMatchObject({ operation: 'refresh', at: START + 240_000 })
    expect(last().tokens?.token.reveal()).toBe('t1')
    expect(last().tokens?.refreshToken.reveal()).toBe('r1')
    expect(headerValue(source.current())).toBe('Bearer t1')
    await last().respond(grant({ token: 't2' }))
    expect(headerValue(source.current())).toBe('Bearer t2')
  })

  it('has one timer, and none when it is stopped', async () => {
    const { source, clock } = await openFresh(grant())
    expect(clock.waiting()).toEqual([240_000])
    source.stop()
    expect(clock.waiting()).toEqual([])
  })
})

describe('a request that waits', () => {
  it('is given the token that is there, also after the stop', async () => {
    const { source, wait, token } = await openFresh(grant())
    expect(await wait()).toBe(token)
    source.stop()
    expect(await wait()).toBe(token)
  })

  it('is given no token that comes too late to be used, but the next', async () => {
    const { source, clock, asked, wait } = openSource()
    source.start()
    const waited = wait()
    await clock.advance(2000)
    await asked[0]?.respond(grant({ lives: 1 }))
    expect(source.current()).toBeUndefined()
    await asked[1]?.respond(grant({ token: 't2' }))
    expect(await waited).toMatchObject({ generation: 2 })
  })

  it('ends as soon as no token request will be made in time', async () => {
    const { source, clock, last, wait } = openSource()
    source.start()
    const waited = wait()
    await clock.advance(300)
    await last().respond(REFUSED)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 5000 })
  })

  it('is refused when 1,000 wait; these are all served by one login', async () => {
    const { source, asked, wait, last } = openSource()
    source.start()
    const waits = Array.from({ length: 1000 }, () => wait())
    expect(await wait()).toEqual({ unavailable: 'overloaded', retryAfter: 1000 })
    expect(source.snapshot().waiters).toBe(1000)
    await last().respond(grant())
    expect(new Set(await Promise.all(waits))).toEqual(new Set([source.current()]))
    expect(asked).toHaveLength(1)
  })

  it('is ended when the source stops, and so is the login', async () => {
    const { source, last, wait, clock, events } = openSource()
    const away = { unavailable: 'shutting-down', retryAfter: 1000 }
    expect(await wait()).toEqual(away)
    source.start()
    const waited = wait()
    source.stop()
    expect([await waited, await wait()]).toEqual([away, away])
    expect(last().signal.aborted).toBe(true)
    await last().respond(grant())
    await clock.advance(FAR)
    expect(source.current()).toBeUndefined()
    expect(events).toHaveLength(1)
  })

  it('ends without a token when its client is gone already', async () => {
    const { source, wait } = openSource()
    source.start()
    const gone = new AbortController()
    gone.abort()
    expect(await wait({ signal: gone.signal })).toMatchObject({ unavailable: 'no-token' })
  })
})

describe('a rejected token', () => {
  it('is replaced once, however many report it', async () => {
    const { asked, events, token, last, accept, reject, wait } = await openFresh(grant())
    accept(token)
    const verdicts = Array.from({ length: 1000 }, () => reject(token))
    expect(new Set(verdicts)).toEqual(new Set(['wait']))
    const waits = verdicts.map(() => wait({ after: token.generation }))
    await last().respond(grant({ token: 't2' }))
    expect(new Set(await Promise.all(waits)).size).toBe(1)
    expect(events.filter(({ type }) => type === 'token-rejected')).toHaveLength(1)
    // Reports that were still on their way.
    expect(reject(token)).toBe('wait')
    expect(asked).toHaveLength(2)
  })

  it('that works after all ends the wait of who reported it: the rejection was about the call', async () => {
    const { source, clock, token, asked, reject, accept, wait } = await openFresh(grant())
    expect(reject(token, '/bad')).toBe('wait')
    const waited = wait({ after: token.generation })
    await clock.advance(1)
    accept(token)
    expect(await waited).toMatchObject({ unavailable: 'no-token' })
    expect(reject(token, '/bad')).toBe('relay')
    expect(asked).toHaveLength(2)
    expect(source.current()).toBe(token)
  })

  it.each([
    ['the newer one, when it comes', 1000, 2],
    ['the suspect one, when no newer one comes', 2500, 1],
  ])(
    'is not used for a call that cannot be sent again: it waits, and is given %s',
    async (...row) => {
      const [, ms, generation] = row
      const { source, clock, token, last, reject, wait } = await openFresh(grant())
      reject(token)
      expect([source.current(true), source.current(false)]).toEqual([token, undefined])
      const waited = wait({ replayable: false })
      await clock.advance(ms)
      await last().respond(grant({ token: 't2' }))
      expect(await waited).toMatchObject({ generation })
      expect(source.current(false)).toMatchObject({ generation: 2 })
    },
  )
})

describe('new credentials', () => {
  it('wait for the token request that is in flight', async () => {
    const { source, asked, last } = openSource()
    source.start()
    source.changeCredentials(credentialsOf('another'))
    expect(asked).toHaveLength(1)
    await last().respond(REFUSED)
    expect(asked).toHaveLength(2)
    expect(source.snapshot()).toMatchObject({ backoff: 'none', failuresInRow: 0 })
  })

  it('before the start are simply the first', async () => {
    const { source, asked } = openSource()
    source.changeCredentials(credentialsOf('another'))
    expect(asked).toHaveLength(0)
    source.start()
    expect(asked).toHaveLength(1)
  })

  it('that change back and forth between two that are refused get 6 logins in 15 min', async () => {
    const { source, clock, asked, last } = openSource()
    source.start()
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
    const { source, asked, last } = await openFresh(grant())
    expect(source.changeCredentials(credentialsOf('wrong'))).toBe(false)
    expect(asked).toHaveLength(1)
    source.changeCredentials(credentialsOf('another'))
    await last().respond(REFUSED)
    expect(source.changeCredentials(credentialsOf('wrong'))).toBe(true)
    expect(asked).toHaveLength(3)
  })
})

describe('an idle token', () => {
  it('that still serves is renewed by the call that uses it, when it is due', async () => {
    const { source, clock, asked } = await openFresh(grant({ lives: 3600 }), {
      rules: { tokenIdleAfter: 300_000 },
    })
    await clock.advance(400_000)
    expect(source.current()).toMatchObject({ generation: 1 })
    await clock.advance(2_600_000)
    expect(source.snapshot()).toMatchObject({ idle: true, nextExchangeAt: undefined })
    expect(asked).toHaveLength(1)
    expect(source.current()).toMatchObject({ generation: 1 })
    expect(asked).toHaveLength(2)
  })
})

describe('an operator who asks for a login', () => {
  /** Whether each token request may ignore the pauses of other replicas. */
  function noteForced() {
    const forced: boolean[] = []
    const obtain: Obtain = (wanted, ask, signal) => {
      forced.push(wanted.forced)
      return obtainDirectly(wanted, ask, signal)
    }
    return { forced, obtain }
  }

  it('ignores the pauses of other replicas for that login, and for no later renewal', async () => {
    const { forced, obtain } = noteForced()
    const { source, clock, last } = await openFresh(grant(), { obtain })
    source.renew()
    await last().respond(grant({ token: 't2' }))
    expect(forced).toEqual([false, true])
    source.changeCredentials(credentialsOf('another'))
    source.renew()
    await last().respond(grant({ token: 't3' }))
    await clock.advance(240_000)
    expect(forced).toEqual([false, true, false, false])
  })

  it('ignores them once, after the login in flight has failed, also when the secret changes', async () => {
    const { forced, obtain } = noteForced()
    const { source, clock, last } = openSource({ obtain })
    source.start()
    source.renew()
    source.changeCredentials(credentialsOf('another'))
    await last().respond(REFUSED)
    expect(forced).toEqual([false, true])
    await last().respond(REFUSED)
    await clock.advance(5000)
    expect(forced).toEqual([false, true, false])
  })
})

describe('the snapshot', () => {
  it('before the first token says that there is none', () => {
    const { source } = openSource()
    expect(source.snapshot()).toEqual({
      now: START,
      session: undefined,
      usable: false,
      exchange: undefined,
      backoff: 'none',
      nextExchangeAt: START,
      idle: false,
      lastSuccessAt: undefined,
      outageBudget: 0,
      waiters: 0,
      failuresInRow: 0,
      lastFailure: undefined,
    })
  })

  it('during a token request names it, and plans no other', () => {
    const { source } = openSource()
    source.start()
    expect(source.snapshot()).toMatchObject({ exchange: 'login', nextExchangeAt: undefined })
  })

  it('remembers the last failure after it has been overcome', async () => {
    const { source, clock, last } = openSource()
    source.start()
    await last().respond(DOWN)
    await clock.advance(250)
    await last().respond(grant())
    expect(source.snapshot()).toMatchObject({
      usable: true,
      outageBudget: 295_000,
      failuresInRow: 0,
      lastSuccessAt: START + 250,
      lastFailure: { at: START, operation: 'login', failure: DOWN },
      nextExchangeAt: START + 240_250,
    })
  })
})
