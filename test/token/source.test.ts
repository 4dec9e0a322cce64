import { describe, expect, it } from 'vitest'
import { headerValue, openFresh, openSource } from './source-support.ts'
import { DOWN, grant, REFUSED, START } from './support.ts'

const FAR = 1e9

describe('the token source', () => {
  it('logs in when it is started, not before', async () => {
    const { source, asked, clock } = openSource()
    await clock.advance(60_000)
    expect(asked).toHaveLength(0)
    source.start()
    expect(asked).toMatchObject([{ operation: 'login' }])
    source.stop()
  })

  it('serves the token once it is there', async () => {
    const { source, last } = openSource()
    source.start()
    expect(source.current()).toBeUndefined()
    await last().respond(grant())
    expect(headerValue(source.current())).toBe('Bearer t1')
  })

  it('never begins a second token request beside one that is in flight', async () => {
    const { source, asked, clock, wait } = openSource()
    source.start()
    const waits = Array.from({ length: 200 }, () => wait({ deadline: clock.now() + FAR }))
    await clock.advance(800)
    expect(asked).toHaveLength(1)
    await asked[0]?.respond(grant())
    const tokens = await Promise.all(waits)
    expect(new Set(tokens)).toEqual(new Set([source.current()]))
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

  it('logs in immediately after a refused refresh', async () => {
    const { asked, clock, last } = await openFresh(grant())
    await clock.advance(240_000)
    await last().respond(REFUSED)
    expect(asked.map(({ operation }) => operation)).toEqual(['login', 'refresh', 'login'])
  })

  it('stops serving a token at its last use, whatever happens', async () => {
    const { source, clock, last } = await openFresh(grant({ lives: 20 }))
    await clock.advance(17_999)
    expect(last().operation).toBe('refresh')
    expect(source.current()).toBeDefined()
    await clock.advance(1)
    expect(source.current()).toBeUndefined()
  })

  it('wakes long after the end and sends nothing old', async () => {
    let asleep = 0
    const clock = openSource().clock
    const opened = openSource({ clock: { ...clock, now: () => clock.now() + asleep } })
    opened.source.start()
    await opened.last().respond(grant({ lives: 20 }))
    asleep = 3_600_000
    expect(opened.source.current()).toBeUndefined()
    // The timer is as late as the process: it asks anew immediately, with the refresh token that has ended as well.
    await clock.advance(16_000)
    expect(opened.last().operation).toBe('login')
  })

  it('asks for no timer where nothing is planned, and leaves none when stopped', async () => {
    const { source, clock } = await openFresh(grant())
    expect(clock.waiting()).toEqual([240_000])
    source.stop()
    expect(clock.waiting()).toEqual([])
    await clock.advance(FAR)
    expect(clock.waiting()).toEqual([])
  })
})

describe('a token that comes too late to be used', () => {
  it('is not given to those who wait', async () => {
    const { source, clock, asked, wait } = openSource()
    source.start()
    const waited = wait()
    await clock.advance(2000)
    await asked[0]?.respond(grant({ lives: 1 }))
    expect(source.current()).toBeUndefined()
    expect(asked).toHaveLength(2)
    await asked[1]?.respond(grant({ token: 't2' }))
    expect(await waited).toMatchObject({ generation: 2 })
  })
})

describe('a request that waits', () => {
  it('resolves immediately when there is a token', async () => {
    const { wait, token } = await openFresh(grant())
    expect(await wait()).toBe(token)
  })

  it('ends when no token request will be made in time', async () => {
    const { source, clock, last, wait } = openSource()
    source.start()
    await last().respond(REFUSED)
    await clock.advance(1000)
    expect(await wait()).toEqual({ unavailable: 'no-token', retryAfter: 4000 })
    expect(source.snapshot().waiters).toBe(0)
  })

  it('waits for a token request that will be made in time', async () => {
    const { source, clock, last, wait } = openSource()
    source.start()
    await last().respond(DOWN)
    const waited = wait()
    await clock.advance(250)
    await last().respond(grant())
    expect(await waited).toMatchObject({ generation: 1 })
  })

  it('ends as soon as no token request will be made in time', async () => {
    const { source, clock, last, wait } = openSource()
    source.start()
    const waited = wait()
    await clock.advance(300)
    await last().respond(REFUSED)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 5000 })
  })

  it('ends at its deadline while a login hangs', async () => {
    const { source, clock, wait } = openSource()
    source.start()
    const waited = wait()
    await clock.advance(2500)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 0 })
  })

  it('is refused when 1,000 wait', async () => {
    const { source, wait, last } = openSource()
    source.start()
    const waits = Array.from({ length: 1000 }, () => wait())
    expect(await wait()).toEqual({ unavailable: 'overloaded', retryAfter: 1000 })
    expect(source.snapshot().waiters).toBe(1000)
    await last().respond(grant())
    expect((await Promise.all(waits)).every((one) => 'generation' in one)).toBe(true)
  })

  it('is ended when the source stops, and so is the login', async () => {
    const { source, last, wait, clock, events } = openSource()
    source.start()
    const waited = wait()
    source.stop()
    expect(await waited).toEqual({ unavailable: 'shutting-down', retryAfter: 1000 })
    expect(last().signal.aborted).toBe(true)
    await last().respond(grant())
    await clock.advance(FAR)
    expect(source.current()).toBeUndefined()
    expect(events).toHaveLength(1)
  })

  it('is refused before the start and after the stop', async () => {
    const { source, wait } = openSource()
    const away = { unavailable: 'shutting-down', retryAfter: 1000 }
    expect(await wait()).toEqual(away)
    source.stop()
    expect(await wait()).toEqual(away)
  })

  it('after the stop still gets the token that is there is', async () => {
    const { source, wait, token } = await openFresh(grant())
    source.stop()
    expect(source.current()).toBe(token)
    expect(await wait()).toBe(token)
  })
})

describe('a rejected token', () => {
  it('is replaced once, however many report it', async () => {
    const { source, asked, events, token, last, clock, accept, reject } = await openFresh(grant())
    accept(token)
    accept(token)
    const verdicts = Array.from({ length: 1000 }, () => reject(token))
    expect(new Set(verdicts)).toEqual(new Set(['wait']))
    const waits = verdicts.map(() =>
      source.waitForToken({ after: token.generation, deadline: clock.now() + 2500 }),
    )
    await last().respond(grant({ token: 't2' }))
    expect(asked).toHaveLength(2)
    expect(new Set(await Promise.all(waits)).size).toBe(1)
    expect(events.filter(({ type }) => type === 'token-rejected')).toHaveLength(1)
    // Reports that were still on their way.
    expect(reject(token)).toBe('wait')
    expect(asked).toHaveLength(2)
  })

  it('that is brand-new is relayed after a replacement, and reported once', async () => {
    const { source, token, last, events, asked, reject } = await openFresh(grant())
    reject(token)
    await last().respond(grant({ token: 't2' }))
    const second = source.current()
    if (second === undefined) throw new Error('no second token')
    expect(reject(second)).toBe('relay')
    expect(reject(second)).toBe('relay')
    expect(asked).toHaveLength(2)
    expect(events.filter(({ type }) => type === 'token-rejected')).toMatchObject([
      { generation: 1, status: 401, verdict: 'replace' },
      { generation: 2, status: 401, verdict: 'brand-new' },
    ])
    expect(source.current()).toBe(second)
  })

  it('a third time in a minute is a conflict: reported, held off, still served', async () => {
    const { source, clock, last, events, asked, wait, accept, reject } = await openFresh(grant())
    for (const text of ['t2', 't3']) {
      const token = source.current()
      if (token === undefined) throw new Error('no token')
      accept(token)
      await clock.advance(1000)
      reject(token)
      await last().respond(grant({ token: text }))
    }
    const third = source.current()
    if (third === undefined) throw new Error('no third token')
    accept(third)
    expect(reject(third)).toBe('wait')
    expect(asked).toHaveLength(3)
    expect(events.at(-1)).toEqual({ type: 'conflict', at: clock.now(), holdOff: 32_500 })
    expect(headerValue(source.current())).toBe('Bearer t3')
    // The call that was rejected learns immediately that the new token does not come in its time.
    expect(await wait({ after: third.generation })).toEqual({
      unavailable: 'no-token',
      retryAfter: 32_500,
    })
    await clock.advance(32_500)
    await last().respond(grant({ token: 't4' }))
    expect(headerValue(source.current())).toBe('Bearer t4')
    expect(reject(third)).toBe('wait')
  })

  it('that a refresh gives back is logged in for immediately, and the refresh counts as failed', async () => {
    const { source, token, last, events, accept, reject } = await openFresh(grant())
    accept(token)
    reject(token)
    await last().respond(grant())
    expect(last().operation).toBe('login')
    expect(events.filter(({ type }) => type === 'failed')).toMatchObject([
      { operation: 'refresh', failure: { reason: 'rejected' }, retryIn: 0 },
    ])
    await last().respond(grant({ token: 't2' }))
    expect(headerValue(source.current())).toBe('Bearer t2')
  })
})

describe('a rejection that turns out to be about the call', () => {
  it('ends the wait of who reported it as soon as another call is accepted', async () => {
    const { source, clock, token, asked, reject, accept } = await openFresh(grant())
    expect(reject(token, '/bad')).toBe('wait')
    const deadline = clock.now() + 2500
    const waited = source.waitForToken({ after: token.generation, deadline })
    await clock.advance(1)
    accept(token)
    expect(await waited).toMatchObject({ unavailable: 'no-token' })
    expect(reject(token, '/bad')).toBe('relay')
    expect(asked).toHaveLength(2)
    expect(source.current()).toMatchObject({ generation: 1, accepted: true })
  })

  it('is relayed as soon as no token comes in time, and other calls go on', async () => {
    const { source, clock, token, last, reject } = await openFresh(grant())
    await clock.advance(1000)
    reject(token, '/bad')
    const deadline = clock.now() + 200
    const waited = source.waitForToken({ after: token.generation, deadline })
    await last().respond(DOWN)
    expect(await waited).toMatchObject({ unavailable: 'no-token' })
    expect(source.current()).toBe(token)
  })
})

describe('a call that cannot be sent again', () => {
  it('waits for a newer token while the present one is suspect', async () => {
    const { source, token, last, reject, wait } = await openFresh(grant())
    reject(token)
    expect(source.current(true)).toBe(token)
    expect(source.current(false)).toBeUndefined()
    const waited = wait({ replayable: false })
    await last().respond(grant({ token: 't2' }))
    expect(await waited).toMatchObject({ generation: 2 })
    expect(source.current(false)).toMatchObject({ generation: 2 })
  })

  it('is sent with the suspect token when no newer one comes in time', async () => {
    const { clock, token, reject, wait } = await openFresh(grant())
    reject(token)
    const waited = wait({ replayable: false })
    await clock.advance(2500)
    expect(await waited).toBe(token)
  })
})

describe('an accepted token', () => {
  it('is accepted once, and serves on', async () => {
    const { source, token, accept } = await openFresh(grant())
    accept(token)
    const accepted = source.current()
    expect(accepted).toEqual({ ...token, accepted: true })
    if (accepted !== undefined) accept(accepted)
    accept(token)
    expect(source.current()).toBe(accepted)
  })
})

describe('what the token source reports of a login', () => {
  it('is when it began, and what it gave', async () => {
    const { source, clock, last, events } = openSource()
    source.start()
    await clock.advance(300)
    await last().respond(grant())
    expect(events).toEqual([
      { type: 'request-started', operation: 'login', at: START },
      {
        type: 'granted',
        operation: 'login',
        at: START + 300,
        durationMs: 300,
        session: source.current(),
        failuresBefore: 0,
        sameToken: false,
        lifetimeAssumed: false,
      },
    ])
  })

  it('is what went wrong, and when it is tried again', async () => {
    const { source, last, events, clock } = openSource()
    source.start()
    await last().respond(REFUSED)
    expect(events.at(-1)).toEqual({
      type: 'failed',
      operation: 'login',
      at: START,
      durationMs: 0,
      failure: REFUSED,
      failuresInRow: 1,
      backoff: 'rejected',
      retryIn: 5000,
      outageBudget: 0,
    })
    await clock.advance(5000)
    await last().respond(grant())
    expect(events.at(-1)).toMatchObject({ type: 'granted', failuresBefore: 1 })
  })

  it('is that the same token came back, or that the lifetime was assumed', async () => {
    const { clock, last, events } = await openFresh(grant({ lives: undefined }))
    expect(events.at(-1)).toMatchObject({ lifetimeAssumed: true, sameToken: false })
    await clock.advance(240_000)
    await last().respond(grant())
    expect(events.at(-1)).toMatchObject({ lifetimeAssumed: false, sameToken: true })
  })

  it('is for how long requests go on working', async () => {
    const { clock, last, events } = await openFresh(grant())
    await clock.advance(240_000)
    await last().respond(DOWN)
    expect(events.at(-1)).toMatchObject({ type: 'failed', outageBudget: 55_000, retryIn: 250 })
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

  it('during a token request names it, and plans no other', async () => {
    const { source, wait } = openSource()
    source.start()
    void wait()
    expect(source.snapshot()).toMatchObject({ exchange: 'login', waiters: 1 })
    expect(source.snapshot().nextExchangeAt).toBeUndefined()
    source.stop()
  })

  it('counts the outage budget down, to the millisecond, to 0', async () => {
    const { source, clock } = await openFresh(grant({ lives: 20 }))
    const budgets = []
    for (let second = 0; second <= 19; second += 1) {
      budgets.push(source.snapshot().outageBudget)
      await clock.advance(1000)
    }
    expect(budgets).toEqual([
      ...Array.from({ length: 18 }, (_, past) => 18_000 - past * 1000),
      0,
      0,
    ])
    expect(source.snapshot().usable).toBe(false)
  })

  it('remembers the last failure after it has been overcome', async () => {
    const { source, clock, last } = openSource()
    source.start()
    await last().respond(DOWN)
    await clock.advance(250)
    await last().respond(grant())
    expect(source.snapshot()).toMatchObject({
      usable: true,
      failuresInRow: 0,
      lastSuccessAt: START + 250,
      lastFailure: { at: START, operation: 'login', failure: DOWN },
      nextExchangeAt: START + 240_250,
    })
  })
})

describe('a wait', () => {
  it('of a client that is gone already ends without a token', async () => {
    const { source, wait } = openSource()
    source.start()
    const gone = new AbortController()
    gone.abort()
    expect(await wait({ signal: gone.signal })).toMatchObject({ unavailable: 'no-token' })
  })
})
