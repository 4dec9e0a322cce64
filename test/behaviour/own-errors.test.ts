import { expect, test } from 'vitest'
import type { Tracing } from '../../src/tracing/otlp.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const throws = (): never => {
  throw new TypeError('a defect')
}

/** Tracing in which one function has a defect. */
function brokenTracing(defect: object): Tracing {
  const span = { outgoing: () => undefined, replayed: () => undefined, ended: () => undefined }
  return {
    requestStarted: () => ({ ...span, ...defect }),
    onTokenEvent: () => undefined,
    stop: () => Promise.resolve(),
    ...defect,
  } as unknown as Tracing
}

test.each([
  ['before it is forwarded', { requestStarted: throws }],
  ['when it is sent', { outgoing: throws }],
])(
  'a defect that a call meets %s is counted, logged and shown once, as what it is',
  async (_name, defect) => {
    const world = await openWorld({ tracing: brokenTracing(defect) })
    const { status, json, text } = await world.tasks()
    expect([status, json]).toMatchObject([500, { code: 'internal', sent: 'unknown' }])
    expect(text).not.toContain('defect')

    const unexpected = world.lines.filter(({ event }) => event === 'unexpected')
    expect(unexpected).toMatchObject([{ requestId: json['requestId'] }])
    expect(await world.metric('isales_proxy_request_errors_total{code="internal"}')).toBe(1)
    const { requests } = (await call(`${world.admin}/status.json`)).json
    expect(requests).toMatchObject({ lastMinute: { failed: 1, byFailure: { internal: 1 } } })
    await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 0)
  },
)
