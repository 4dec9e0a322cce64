import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it, test, vi } from 'vitest'
import { openTracing, type RequestSpan, type Tracing } from '../../src/tracing/otlp.ts'
import { CANARY, failed, granted } from '../admin/token.ts'
import { attributesOf, openReceiver, type Export } from '../support/otlp-receiver.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

const END = { status: 200, code: undefined, requestId: 'r-1' }

describe('tracing', () => {
  let receiver: Awaited<ReturnType<typeof openReceiver>>
  let tracing: Tracing
  const deliveries: boolean[] = []

  beforeEach(async () => {
    deliveries.length = 0
    receiver = await openReceiver()
    tracing = openTracing({
      endpoint: receiver.endpoint,
      version: '1.2.3',
      onDelivery: (working) => deliveries.push(working),
    })
  })
  afterEach(() => {
    receiver.close()
  })

  const start = (method: string, traceparent?: string): RequestSpan =>
    tracing.requestStarted({ method, headers: { traceparent } })

  const good = `00-${TRACE}-${PARENT}-01`
  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['of the forbidden version', `ff-${TRACE}-${PARENT}-01`],
    ['in capitals', good.toUpperCase()],
    ['too short', good.slice(0, -1)],
    ['too long for its version', `${good}-more`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['huge', good.repeat(10_000)],
  ])('begins a trace of its own when the traceparent is %s', (_case, traceparent) => {
    const outgoing = start('GET', traceparent).outgoing()
    expect(outgoing.traceparent).not.toContain(TRACE)
    expect(outgoing.keepState).toBe(false)
  })

  it.each([
    ['with other flags', `00-${TRACE}-${PARENT}-ff`],
    ['of a later version with more parts', `01-${TRACE}-${PARENT}-01-more`],
  ])('continues a trace %s', (_case, value) => {
    const outgoing = start('GET', value).outgoing()
    expect(outgoing.traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`))
    expect(outgoing.keepState).toBe(true)
  })

  it('exports nothing of a trace that the client chose not to sample, and passes that on', async () => {
    const span = start('GET', `00-${TRACE}-${PARENT}-00`)
    expect(span.outgoing().traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
    span.ended(END)
    await tracing.stop()
    expect(receiver.spans()).toEqual([])
  })

  it('marks an error of the proxy and a 5xx, and neither a 4xx nor a client that left', async () => {
    const ends = [
      { ...END, status: 503, code: 'no-token' as const },
      { ...END, status: 500 },
      { ...END, status: 404 },
      { ...END, status: 0 },
    ]
    for (const end of ends) start('GET').ended(end)
    await tracing.stop()
    const spans = receiver.spans()
    expect(spans.map(({ status }) => status.code ?? 0)).toEqual([2, 2, 0, 0])
    expect(attributesOf(spans[0])['error.type']).toBe('no-token')
    expect(attributesOf(spans[3])).not.toHaveProperty('http.response.status_code')
  })

  it('lets no client make up the name of a span', async () => {
    start('BREW\u0000x').ended(END)
    await tracing.stop()
    expect(receiver.spans()[0]?.name).toBe('HTTP')
    expect(receiver.received[0]?.body).not.toContain('BREW')
  })

  it('exports logins and refreshes with their duration, and no secret', async () => {
    tracing.onTokenEvent({ type: 'request-started', operation: 'login', at: 1 })
    tracing.onTokenEvent(granted({ durationMs: 250 }))
    const failure = {
      kind: 'refused',
      reason: 'rejected',
      status: 403,
      detail: 'status 403',
    } as const
    tracing.onTokenEvent(failed({ operation: 'refresh', failure }))
    tracing.onTokenEvent({ type: 'credentials-changed', at: 2 })
    await tracing.stop()
    const [login, refresh, ...more] = receiver.spans()
    expect(more).toEqual([])
    expect(login).toMatchObject({ name: 'login', kind: 3 })
    expect(BigInt(login?.endTimeUnixNano ?? 0) - BigInt(login?.startTimeUnixNano ?? 0)).toBe(
      250_000_000n,
    )
    expect(refresh).toMatchObject({ name: 'refresh', status: { code: 2 } })
    expect(attributesOf(refresh)).toEqual({
      'error.type': 'rejected',
      'http.response.status_code': 403,
    })
    expect(receiver.received[0]?.body).not.toContain(CANARY)
  })

  it.each([
    ['', 'isales-auth-proxy'],
    ['proxy-blue', 'proxy-blue'],
  ])(
    'names the service as OTEL_SERVICE_NAME=%s says, at the standard path',
    async (given, name) => {
      vi.stubEnv('OTEL_SERVICE_NAME', given)
      const named = openTracing({ endpoint: receiver.endpoint, version: '1.2.3' })
      vi.unstubAllEnvs()
      named.requestStarted({ method: 'GET', headers: {} }).ended(END)
      await named.stop()
      const [{ url, body, headers } = { url: '', body: '{}', headers: {} }] = receiver.received
      expect(url).toBe('/v1/traces')
      expect(headers['content-type']).toBe('application/json')
      const [first] = (JSON.parse(body) as Export).resourceSpans
      expect(
        Object.fromEntries(
          (first?.resource.attributes ?? []).map(({ key, value }) => [key, value.stringValue]),
        ),
      ).toMatchObject({ 'service.name': name, 'service.version': '1.2.3' })
    },
  )

  it('says once that spans cannot be delivered', async () => {
    receiver.respond(400)
    for (let n = 0; n < 1100; n += 1) start('GET').ended(END)
    await tracing.stop()
    expect(receiver.received.length).toBeGreaterThan(1)
    expect(deliveries).toEqual([false])
  })

  it('ends within seconds when the collector is gone', async () => {
    receiver.close()
    start('GET').ended(END)
    const began = performance.now()
    await tracing.stop()
    expect(performance.now() - began).toBeLessThan(4000)
  })
})

test('tracing that is off loads nothing of the SDK', () => {
  const program = inject('program')
  const read = (file: string): string => readFileSync(join(program, file), 'utf8')
  const chunks = readdirSync(program).filter((file) => file.endsWith('.js'))
  const loaded = new Set(chunks.filter((file) => file.startsWith('serve-')))
  for (const file of loaded)
    for (const [, imported = ''] of read(file).matchAll(/^(?:import|\}) .*"\.\/(.+\.js)";$/gm))
      loaded.add(imported)
  const textOf = (files: Iterable<string>): string => Array.from(files, read).join('')
  // prom-client needs `@opentelemetry/api`.
  const sdk = /^\/\/ node_modules\/@opentelemetry\/(?!api\/)/m
  expect(textOf(loaded)).toContain('// src/server.ts')
  expect(textOf(loaded)).not.toMatch(sdk)
  expect(textOf(chunks)).toMatch(sdk)
})
