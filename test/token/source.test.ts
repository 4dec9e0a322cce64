import { describe, expect, it } from 'vitest'
import { headerValue, keep, keepFresh } from './keeping.ts'
import { DOWN, grant, REFUSED, START } from './support.ts'

const FAR = 1e9

describe('the keeper', () => {
  it('logs in when it is started, not before', async () => {
    const { keeper, asked, clock } = keep()
    await clock.advance(60_000)
    expect(asked).toHaveLength(0)
    keeper.start()
    expect(asked).toMatchObject([{ operation: 'login' }])
    keeper.stop()
  })

  it('serves the token once it is there', async () => {
    const { keeper, last } = keep()
    keeper.start()
    expect(keeper.current()).toBeUndefined()
    await last().answer(grant())
    expect(headerValue(keeper.current())).toBe('Bearer t1')
  })

  it('never begins a second exchange beside one that is under way', async () => {
    const { keeper, asked, clock, wait } = keep()
    keeper.start()
    const waits = Array.from({ length: 200 }, () => wait({ deadline: clock.now() + FAR }))
    await clock.advance(800)
    expect(asked).toHaveLength(1)
    await asked[0]?.answer(grant())
    const sessions = await Promise.all(waits)
    expect(new Set(sessions)).toEqual(new Set([keeper.current()]))
  })

  it('refreshes ahead of the end, with both tokens, while the old one serves', async () => {
    const { keeper, asked, clock, last } = await keepFresh(grant())
    await clock.advance(239_999)
    expect(asked).toHaveLength(1)
    await clock.advance(1)
    expect(last()).toMatchObject({ operation: 'refresh', at: START + 240_000 })
    expect(last().tokens?.token.reveal()).toBe('t1')
    expect(last().tokens?.refreshToken.reveal()).toBe('r1')
    expect(headerValue(keeper.current())).toBe('Bearer t1')
    await last().answer(grant({ token: 't2' }))
    expect(headerValue(keeper.current())).toBe('Bearer t2')
  })

  it('logs in at once after a refused refresh', async () => {
    const { asked, clock, last } = await keepFresh(grant())
    await clock.advance(240_000)
    await last().answer(REFUSED)
    expect(asked.map(({ operation }) => operation)).toEqual(['login', 'refresh', 'login'])
  })

  it('stops serving a token at its last use, whatever happens', async () => {
    const { keeper, clock, last } = await keepFresh(grant({ lives: 20 }))
    await clock.advance(17_999)
    expect(last().operation).toBe('refresh')
    expect(keeper.current()).toBeDefined()
    await clock.advance(1)
    expect(keeper.current()).toBeUndefined()
  })

  it('wakes long after the end and sends nothing old', async () => {
    let asleep = 0
    const clock = keep().clock
    const kept = keep({ clock: { ...clock, now: () => clock.now() + asleep } })
    kept.keeper.start()
    await kept.last().answer(grant({ lives: 20 }))
    asleep = 3_600_000
    expect(kept.keeper.current()).toBeUndefined()
    // The timer is as late as the process: it asks anew at once, with the refresh token that has ended as well.
    await clock.advance(16_000)
    expect(kept.last().operation).toBe('login')
  })

  it('asks for no timer where nothing is planned, and leaves none when stopped', async () => {
    const { keeper, clock } = await keepFresh(grant())
    expect(clock.waiting()).toEqual([240_000])
    keeper.stop()
    expect(clock.waiting()).toEqual([])
    await clock.advance(FAR)
    expect(clock.waiting()).toEqual([])
  })
})

describe('a token that comes too late to be used', () => {
  it('is not given to those who wait', async () => {
    const { keeper, clock, asked, wait } = keep()
    keeper.start()
    const waited = wait()
    await clock.advance(2000)
    await asked[0]?.answer(grant({ lives: 1 }))
    expect(keeper.current()).toBeUndefined()
    expect(asked).toHaveLength(2)
    await asked[1]?.answer(grant({ token: 't2' }))
    expect(await waited).toMatchObject({ generation: 2 })
  })
})

describe('a request that waits', () => {
  it('is answered at once when a token is at hand', async () => {
    const { wait, session } = await keepFresh(grant())
    expect(await wait()).toBe(session)
  })

  it('is answered at once when no attempt will be made in time', async () => {
    const { keeper, clock, last, wait } = keep()
    keeper.start()
    await last().answer(REFUSED)
    await clock.advance(1000)
    expect(await wait()).toEqual({ unavailable: 'no-token', retryAfter: 4000 })
    expect(keeper.snapshot().waiters).toBe(0)
  })

  it('waits for an attempt that will be made in time', async () => {
    const { keeper, clock, last, wait } = keep()
    keeper.start()
    await last().answer(DOWN)
    const waited = wait()
    await clock.advance(250)
    await last().answer(grant())
    expect(await waited).toMatchObject({ generation: 1 })
  })

  it('is told as soon as it is known that no attempt will be made in time', async () => {
    const { keeper, clock, last, wait } = keep()
    keeper.start()
    const waited = wait()
    await clock.advance(300)
    await last().answer(REFUSED)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 5000 })
  })

  it('ends at its deadline while a login hangs', async () => {
    const { keeper, clock, wait } = keep()
    keeper.start()
    const waited = wait()
    await clock.advance(2500)
    expect(await waited).toEqual({ unavailable: 'no-token', retryAfter: 0 })
  })

  it('is turned away when 1,000 wait', async () => {
    const { keeper, wait, last } = keep()
    keeper.start()
    const waits = Array.from({ length: 1000 }, () => wait())
    expect(await wait()).toEqual({ unavailable: 'overloaded', retryAfter: 1000 })
    expect(keeper.snapshot().waiters).toBe(1000)
    await last().answer(grant())
    expect((await Promise.all(waits)).every((one) => 'generation' in one)).toBe(true)
  })

  it('is ended when the keeper stops, and so is the login', async () => {
    const { keeper, last, wait, clock, events } = keep()
    keeper.start()
    const waited = wait()
    keeper.stop()
    expect(await waited).toEqual({ unavailable: 'shutting-down', retryAfter: 1000 })
    expect(last().signal.aborted).toBe(true)
    await last().answer(grant())
    await clock.advance(FAR)
    expect(keeper.current()).toBeUndefined()
    expect(events).toHaveLength(1)
  })

  it('is turned away before the start and after the stop', async () => {
    const { keeper, wait } = keep()
    const away = { unavailable: 'shutting-down', retryAfter: 1000 }
    expect(await wait()).toEqual(away)
    keeper.stop()
    expect(await wait()).toEqual(away)
  })

  it('after the stop still gets the token that is at hand', async () => {
    const { keeper, wait, session } = await keepFresh(grant())
    keeper.stop()
    expect(keeper.current()).toBe(session)
    expect(await wait()).toBe(session)
  })
})

describe('a rejected token', () => {
  it('is replaced once, however many report it', async () => {
    const { keeper, asked, events, session, last, clock } = await keepFresh(grant())
    keeper.accept(session)
    keeper.accept(session)
    const verdicts = Array.from({ length: 1000 }, () => keeper.reject(session, 401))
    expect(new Set(verdicts)).toEqual(new Set([true]))
    const waits = verdicts.map(() =>
      keeper.newer({ after: session.generation, deadline: clock.now() + 2500 }),
    )
    await last().answer(grant({ token: 't2' }))
    expect(asked).toHaveLength(2)
    expect(new Set(await Promise.all(waits)).size).toBe(1)
    expect(events.filter(({ type }) => type === 'token-rejected')).toHaveLength(1)
    // Reports that were still on their way.
    expect(keeper.reject(session, 401)).toBe(true)
    expect(asked).toHaveLength(2)
  })

  it('that is brand-new is relayed after a replacement, and told once', async () => {
    const { keeper, session, last, events, asked } = await keepFresh(grant())
    keeper.reject(session, 403)
    await last().answer(grant({ token: 't2' }))
    const second = keeper.current()
    if (second === undefined) throw new Error('no second token')
    expect(keeper.reject(second, 403)).toBe(false)
    expect(keeper.reject(second, 403)).toBe(false)
    expect(asked).toHaveLength(2)
    expect(events.filter(({ type }) => type === 'token-rejected')).toMatchObject([
      { generation: 1, status: 403, replacing: true },
      { generation: 2, status: 403, replacing: false },
    ])
    expect(keeper.current()).toBe(second)
  })

  it('a third time in a minute is a conflict: told, held off, still served', async () => {
    const { keeper, clock, last, events, asked, wait } = await keepFresh(grant())
    for (const token of ['t2', 't3']) {
      const session = keeper.current()
      if (session === undefined) throw new Error('no token')
      keeper.accept(session)
      await clock.advance(1000)
      keeper.reject(session, 401)
      await last().answer(grant({ token }))
    }
    const third = keeper.current()
    if (third === undefined) throw new Error('no third token')
    keeper.accept(third)
    expect(keeper.reject(third, 401)).toBe(true)
    expect(asked).toHaveLength(3)
    expect(events.at(-1)).toEqual({ type: 'conflict', at: clock.now(), holdOff: 32_500 })
    expect(headerValue(keeper.current())).toBe('Bearer t3')
    // The call that was rejected is told at once that the new token does not come in its time.
    expect(await wait({ after: third.generation })).toEqual({
      unavailable: 'no-token',
      retryAfter: 32_500,
    })
    await clock.advance(32_500)
    await last().answer(grant({ token: 't4' }))
    expect(headerValue(keeper.current())).toBe('Bearer t4')
    expect(keeper.reject(third, 401)).toBe(true)
  })

  it('that a refresh gives back is logged in for at once, and the refresh counts as failed', async () => {
    const { keeper, session, last, events } = await keepFresh(grant())
    keeper.accept(session)
    keeper.reject(session, 401)
    await last().answer(grant())
    expect(last().operation).toBe('login')
    expect(events.filter(({ type }) => type === 'failed')).toMatchObject([
      { operation: 'refresh', failure: { reason: 'rejected' }, retryIn: 0 },
    ])
    await last().answer(grant({ token: 't2' }))
    expect(headerValue(keeper.current())).toBe('Bearer t2')
  })
})

describe('an accepted token', () => {
  it('is accepted once, and serves on', async () => {
    const { keeper, session } = await keepFresh(grant())
    keeper.accept(session)
    const accepted = keeper.current()
    expect(accepted).toEqual({ ...session, accepted: true })
    if (accepted !== undefined) keeper.accept(accepted)
    keeper.accept(session)
    expect(keeper.current()).toBe(accepted)
  })
})

describe('new credentials', () => {
  it('are tried at once, and the old token serves until they are granted one', async () => {
    const { keeper, clock, last, asked, events } = await keepFresh(grant())
    await clock.advance(1000)
    keeper.credentialsChanged()
    expect(events.at(-2)).toEqual({ type: 'credentials-changed', at: clock.now() })
    expect(last().operation).toBe('login')
    await last().answer(REFUSED)
    expect(headerValue(keeper.current())).toBe('Bearer t1')
    await clock.advance(5000)
    expect(asked).toHaveLength(3)
    await last().answer(grant({ token: 't2' }))
    expect(headerValue(keeper.current())).toBe('Bearer t2')
  })

  it('wait for the exchange that is under way', async () => {
    const { keeper, asked, last } = keep()
    keeper.start()
    keeper.credentialsChanged()
    expect(asked).toHaveLength(1)
    await last().answer(REFUSED)
    expect(asked).toHaveLength(2)
    expect(keeper.snapshot()).toMatchObject({ backoff: 'none', failuresInRow: 0 })
  })

  it('before the start are simply the first', async () => {
    const { keeper, asked } = keep()
    keeper.credentialsChanged()
    expect(asked).toHaveLength(0)
    keeper.start()
    expect(asked).toHaveLength(1)
  })
})
