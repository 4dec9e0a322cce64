import { lookup } from 'node:dns'
import { Socket } from 'node:net'
import { afterEach, expect, it, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { ConnectError, createConnect, type Resolve } from '../../src/upstream/connector.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { listen } from '../support/tcp-server.ts'
import { dispatch, openUpstream, plain, portOf } from './support.ts'

afterEach(() => void vi.useRealTimers())

const OPTIONS = {
  origin: 'https://127.0.0.1:1',
  tls: {},
  timeout: 100,
  egress: undefined,
  lookup,
  clock: systemClock,
}

test('a connection that cannot be started fails once, and not again at its timeout', () => {
  vi.useFakeTimers()
  const outcomes: unknown[] = []
  // A port that Node does not accept throws.
  const connect = createConnect({ ...OPTIONS, origin: 'http://127.0.0.1:1', lookup: 1 as never })
  connect((outcome) => outcomes.push(outcome))
  vi.advanceTimersByTime(1000)
  expect(outcomes).toEqual([expect.any(ConnectError)])
})

test('a login at the egress proxy that cannot be decoded fails at the start', () => {
  const egress = new URL('http://u:100%@127.0.0.1:1')
  expect(() => createConnect({ ...OPTIONS, egress })).toThrow(URIError)
})

test('a connection that was opened while the process did not run is not too late', async () => {
  const server = await listen(() => undefined)
  const connect = createConnect({ ...OPTIONS, origin: `http://127.0.0.1:${portOf(server)}` })
  const outcome = await new Promise<Socket | ConnectError>((resolve) => {
    connect(resolve)
    // The kernel accepts it meanwhile.
    const end = performance.now() + 2 * OPTIONS.timeout
    while (performance.now() < end);
  })
  expect(outcome).toBeInstanceOf(Socket)
  if (outcome instanceof Socket) outcome.destroy()
})

const noName: Resolve = (_name, _options, found) => {
  found(Object.assign(new Error('x'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }), [])
}
const noResponse: Resolve = () => undefined

// Those that fail behind TCP are in tls.test.ts.
it('a connection that fails is reported by its stage, and so is one that was opened', async () => {
  const isales = await plain(() => responseBytes('ok'))
  const outcomes = async (changes: Parameters<typeof openUpstream>[0]) => {
    const seen: string[] = []
    await dispatch(openUpstream({ ...changes, onConnect: (outcome) => seen.push(outcome) }))
    return seen
  }
  const isalesUrl = 'http://isales.example'
  expect(await outcomes({ isalesUrl: isales.origin })).toEqual(['opened'])
  expect(await outcomes({ isalesUrl, resolve: noName })).toEqual(['dns'])
  expect(await outcomes({ isalesUrl, resolve: noResponse })).toEqual(['dns'])
  expect(await outcomes({ isalesUrl: 'http://127.0.0.1:1' })).toEqual(['refused'])
})
