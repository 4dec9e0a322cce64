import { describe, expect, it } from 'vitest'
import { keep, keepFresh } from './keeping.ts'
import { DOWN, grant, REFUSED, START } from './support.ts'

describe('what the keeper tells of a login', () => {
  it('is when it began, and what it gave', async () => {
    const { keeper, clock, last, events } = keep()
    keeper.start()
    await clock.advance(300)
    await last().answer(grant())
    expect(events).toEqual([
      { type: 'exchange-started', operation: 'login', at: START },
      {
        type: 'granted',
        operation: 'login',
        at: START + 300,
        durationMs: 300,
        session: keeper.current(),
        failuresBefore: 0,
        sameToken: false,
        lifetimeAssumed: false,
      },
    ])
  })

  it('is what went wrong, and when it is tried again', async () => {
    const { keeper, last, events, clock } = keep()
    keeper.start()
    await last().answer(REFUSED)
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
    await last().answer(grant())
    expect(events.at(-1)).toMatchObject({ type: 'granted', failuresBefore: 1 })
  })

  it('is that the same token came back, or that the lifetime was assumed', async () => {
    const { clock, last, events } = await keepFresh(grant({ lives: undefined }))
    expect(events.at(-1)).toMatchObject({ lifetimeAssumed: true, sameToken: false })
    await clock.advance(240_000)
    await last().answer(grant())
    expect(events.at(-1)).toMatchObject({ lifetimeAssumed: false, sameToken: true })
  })

  it('is for how long requests go on working', async () => {
    const { clock, last, events } = await keepFresh(grant())
    await clock.advance(240_000)
    await last().answer(DOWN)
    expect(events.at(-1)).toMatchObject({ type: 'failed', outageBudget: 55_000, retryIn: 250 })
  })
})

describe('the snapshot', () => {
  it('before the first token says that there is none', () => {
    const { keeper } = keep()
    expect(keeper.snapshot()).toEqual({
      now: START,
      session: undefined,
      usable: false,
      exchange: undefined,
      backoff: 'none',
      nextExchangeAt: START,
      lastSuccessAt: undefined,
      outageBudget: 0,
      waiters: 0,
      failuresInRow: 0,
      lastFailure: undefined,
    })
  })

  it('during an exchange names it, and plans no other', async () => {
    const { keeper, wait } = keep()
    keeper.start()
    void wait()
    expect(keeper.snapshot()).toMatchObject({ exchange: 'login', waiters: 1 })
    expect(keeper.snapshot().nextExchangeAt).toBeUndefined()
    keeper.stop()
  })

  it('counts the outage budget down, to the millisecond, to 0', async () => {
    const { keeper, clock } = await keepFresh(grant({ lives: 20 }))
    const budgets = []
    for (let second = 0; second <= 19; second += 1) {
      budgets.push(keeper.snapshot().outageBudget)
      await clock.advance(1000)
    }
    expect(budgets).toEqual([
      ...Array.from({ length: 18 }, (_, past) => 18_000 - past * 1000),
      0,
      0,
    ])
    expect(keeper.snapshot().usable).toBe(false)
  })

  it('remembers the last failure after it has been overcome', async () => {
    const { keeper, clock, last } = keep()
    keeper.start()
    await last().answer(DOWN)
    await clock.advance(250)
    await last().answer(grant())
    expect(keeper.snapshot()).toMatchObject({
      usable: true,
      failuresInRow: 0,
      lastSuccessAt: START + 250,
      lastFailure: { at: START, operation: 'login', failure: DOWN },
      nextExchangeAt: START + 240_250,
    })
  })
})
