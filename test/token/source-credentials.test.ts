import { describe, expect, it } from 'vitest'
import { obtainDirectly, type Obtain } from '../../src/token/obtain.ts'
import { credentialsOf, headerValue, openFresh, openSource } from './source-support.ts'
import { grant, REFUSED } from './support.ts'

const FAR = 1e9

describe('new credentials', () => {
  it('are tried immediately, and the old token serves until they are granted one', async () => {
    const { source, clock, last, asked, events } = await openFresh(grant())
    await clock.advance(1000)
    source.changeCredentials(credentialsOf('another'))
    expect(events.at(-2)).toEqual({ type: 'credentials-changed', at: clock.now() })
    expect(last().operation).toBe('login')
    await last().respond(REFUSED)
    expect(headerValue(source.current())).toBe('Bearer t1')
    await clock.advance(5000)
    expect(asked).toHaveLength(3)
    await last().respond(grant({ token: 't2' }))
    expect(headerValue(source.current())).toBe('Bearer t2')
  })

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
})

describe('credentials that change back and forth', () => {
  it('between two that are refused get 6 logins in 15 min', async () => {
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

  it('to those that were not refused are tried now', async () => {
    const { source, asked, last } = await openFresh(grant())
    source.changeCredentials(credentialsOf('another'))
    await last().respond(REFUSED)
    source.changeCredentials(credentialsOf('wrong'))
    expect(asked).toHaveLength(3)
  })

  it('to the present ones change nothing', async () => {
    const { source, asked } = await openFresh(grant())
    expect(source.changeCredentials(credentialsOf('wrong'))).toBe(false)
    expect(asked).toHaveLength(1)
  })
})

describe('an idle token', () => {
  const rules = { tokenIdleAfter: 300_000 }

  it('is not renewed, and the next call logs in first', async () => {
    const { source, clock, asked, last, wait } = await openFresh(grant({ refreshLives: 300 }), {
      rules,
    })
    await clock.advance(240_000)
    await last().respond(grant({ token: 't2', refreshLives: 300 }))
    await clock.advance(FAR)
    expect(asked).toHaveLength(2)
    expect(source.snapshot()).toMatchObject({ idle: true, nextExchangeAt: undefined })
    expect(source.current()).toBeUndefined()
    const waited = wait()
    expect(last().operation).toBe('login')
    await last().respond(grant({ token: 't3' }))
    expect(await waited).toMatchObject({ generation: 3 })
    expect(source.snapshot()).toMatchObject({ idle: false })
  })

  it('that still serves is renewed by the call that uses it', async () => {
    const { source, clock, asked } = await openFresh(grant({ lives: 3600 }), { rules })
    await clock.advance(3_000_000)
    expect(asked).toHaveLength(1)
    expect(source.current()).toMatchObject({ generation: 1 })
    expect(asked).toHaveLength(2)
  })
})

/** Whether each token request may ignore the pauses of other replicas. */
function noteForced(): { readonly forced: readonly boolean[]; readonly obtain: Obtain } {
  const forced: boolean[] = []
  const obtain: Obtain = (wanted, ask, signal) => {
    forced.push(wanted.forced)
    return obtainDirectly(wanted, ask, signal)
  }
  return { forced, obtain }
}

describe('an operator who asks for a login', () => {
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

  it('ignores them after the login in flight has failed', async () => {
    const { forced, obtain } = noteForced()
    const { source, clock, last } = openSource({ obtain })
    source.start()
    source.renew()
    await last().respond(REFUSED)
    await clock.advance(5000)
    expect(forced).toEqual([false, true])
  })

  it('gets it in spite of the back-off', async () => {
    const { source, clock, asked, last } = openSource()
    source.start()
    for (let refusal = 0; refusal < 3; refusal += 1) {
      await last().respond(REFUSED)
      if (refusal < 2) await clock.advanceToNext()
    }
    expect(asked).toHaveLength(3)
    source.renew()
    expect(asked).toHaveLength(4)
    await last().respond(grant())
    expect(source.current()).toBeDefined()
  })
})
