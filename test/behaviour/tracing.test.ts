import { expect, onTestFinished, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openTracing } from '../../src/tracing/otlp.ts'
import { attributesOf, openReceiver } from '../support/otlp-receiver.ts'
import { openWorld, type World } from '../support/world.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const CLIENT = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'obs=1' }

async function openTracedWorld() {
  const { endpoint, close, spans } = await openReceiver()
  onTestFinished(close)
  const tracing = openTracing({ endpoint, version: 'test' })
  return { world: await openWorld({ tracing }), spans }
}

const tasks = (world: World, headers: Readonly<Record<string, string>>) =>
  world.post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, headers)

/** The fields of that name in each business call, in the order in which iSales got them. */
function fieldsOf(world: World, name: string): readonly (readonly string[])[] {
  return world.sim
    .requests()
    .map(({ rawHeaders }) =>
      rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name),
    )
}

test('untraced, the trace of the client passes as it came', async () => {
  const world = await openWorld()

  await tasks(world, CLIENT)

  expect(fieldsOf(world, 'traceparent').at(-1)).toEqual([CLIENT.traceparent])
  expect(fieldsOf(world, 'tracestate').at(-1)).toEqual([CLIENT.tracestate])
})

test('traced, iSales gets the trace of the client with our span as its parent', async () => {
  const { world, spans } = await openTracedWorld()

  await tasks(world, CLIENT)
  await world.stop()

  const request = spans().find(({ name }) => name === 'POST')
  expect(request).toMatchObject({ kind: 2, traceId: TRACE, parentSpanId: PARENT })
  expect(attributesOf(request)).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'isales_proxy.request_id': expect.any(String),
  })
  expect(fieldsOf(world, 'traceparent').at(-1)).toEqual([`00-${TRACE}-${request?.spanId}-01`])
  expect(fieldsOf(world, 'tracestate').at(-1)).toEqual([CLIENT.tracestate])
})

test('a healed revocation is one request with a replay in it, and two logins or refreshes', async () => {
  const { world, spans } = await openTracedWorld()
  world.sim.revoke()

  expect((await tasks(world, {})).status).toBe(200)
  await world.stop()

  const named = (...names: readonly string[]) => spans().filter(({ name }) => names.includes(name))
  const [request, ...others] = named('POST')
  const [replay, ...more] = named('replay')
  expect([others, more]).toEqual([[], []])
  expect(named('login', 'refresh').length).toBeGreaterThan(1)
  expect(replay).toMatchObject({ traceId: request?.traceId, parentSpanId: request?.spanId })
  expect(attributesOf(replay)['http.response.status_code']).toBe(200)
  expect(fieldsOf(world, 'traceparent').at(-1)).toEqual([
    `00-${replay?.traceId}-${replay?.spanId}-01`,
  ])
})
