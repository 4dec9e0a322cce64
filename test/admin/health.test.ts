import { describe, expect, it } from 'vitest'
import { createHealth, type HealthOptions } from '../../src/admin/health.ts'
import { NOW, token } from './token.ts'

const UP = { listening: true, draining: false }

function healthWith(changes: Partial<HealthOptions> = {}) {
  return createHealth({
    token: () => token(),
    running: UP,
    ...changes,
  })
}

const NO_TOKEN = { token: () => token({ session: undefined, usable: false }) }

describe('health', () => {
  it('is live whatever else is wrong', () => {
    const health = healthWith({ ...NO_TOKEN, running: { listening: false, draining: true } })
    expect(health.live()).toEqual({ status: 200, body: { status: 'live' } })
  })

  it('is live without a look at the token', () => {
    const health = healthWith({
      token: () => {
        throw new Error('asked')
      },
    })
    expect(health.live().status).toBe(200)
  })

  it('has started once the listeners are up, logged in or not', () => {
    expect(healthWith({ running: { ...UP, listening: false } }).started().status).toBe(503)
    expect(healthWith(NO_TOKEN).started().status).toBe(200)
  })

  it('is ready with a usable token', () => {
    expect(healthWith().ready()).toEqual({ status: 200, body: { status: 'ready' } })
  })

  it('stays ready while renewals fail and the token is still usable', () => {
    const health = healthWith({ token: () => token({ backoff: 'transient' }) })
    expect(health.ready().status).toBe(200)
  })

  it.each([
    ['draining', { running: { ...UP, draining: true } }, { reason: 'draining' }],
    ['the listeners are not up', { running: { ...UP, listening: false } }, { reason: 'starting' }],
    ['there is no token yet', NO_TOKEN, { reason: 'no-token' }],
    [
      'logins fail',
      {
        token: () =>
          token({
            usable: false,
            backoff: 'guarded',
            lastFailure: {
              at: NOW,
              operation: 'login',
              failure: { kind: 'refused', reason: 'rejected', status: 403, detail: 'status 403' },
            },
          }),
      },
      { reason: 'no-token', backoff: 'guarded', lastFailure: 'rejected' },
    ],
    [
      'iSales rejects the token that is there',
      { token: () => token({ usable: false, rejected: true, backoff: 'conflict' }) },
      { reason: 'token-rejected', backoff: 'conflict' },
    ],
  ] as const)('is not ready when %s, and says why', (_case, changes, body) => {
    expect(healthWith(changes).ready()).toEqual({
      status: 503,
      body: { status: 'not ready', ...body },
    })
  })
})
