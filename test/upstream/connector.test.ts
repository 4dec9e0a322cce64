import { lookup, type LookupAddress } from 'node:dns'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createConnect, createLookup } from '../../src/upstream/connector.ts'
import type { ConnectError, Resolve } from '../../src/upstream/connector.ts'
import { manualClock } from '../support/manual-clock.ts'
import { listen } from '../support/tcp-server.ts'
import { dispatch, openUpstream, startIsales, portOf } from './support.ts'

const OPTIONS = {
  origin: 'https://127.0.0.1:1',
  tls: {},
  timeout: 100,
  egress: undefined,
  lookup,
  clock: systemClock,
  onVerified: () => undefined,
}

it('a connection that opened while the process was stopped is not too late', async () => {
  const server = await listen(() => undefined)
  const connect = createConnect({ ...OPTIONS, origin: `http://127.0.0.1:${portOf(server)}` })
  const outcome = await new Promise<Socket | ConnectError>((resolve) => {
    connect(resolve)
    // Meanwhile the kernel accepts the connection.
    const end = performance.now() + 2 * OPTIONS.timeout
    while (performance.now() < end);
  })
  expect(outcome).toBeInstanceOf(Socket)
  if (outcome instanceof Socket) outcome.destroy()
})

const unknown = Object.assign(new Error('x'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })
const noName: Resolve = (_name, _options, found) => found(unknown, [])
const noResponse: Resolve = () => undefined

// Failures after TCP are in tls.test.ts.
it('a connection that fails is reported by its stage, and so is one that was opened', async () => {
  const isales = await startIsales()
  const outcomes = async (changes: Parameters<typeof openUpstream>[0]) => {
    const seen: string[] = []
    await dispatch(openUpstream({ ...changes, onConnect: (outcome) => seen.push(outcome) }))
    return seen
  }
  const isalesUrl = 'http://isales.example'
  expect(await outcomes({ isalesUrl: isales.origin })).toEqual(['opened'])
  expect(await outcomes({ isalesUrl, resolve: noName })).toEqual(['dns'])
  expect(await outcomes({ isalesUrl, resolve: noResponse })).toEqual(['dns'])
  expect(await outcomes({ isalesUrl: 'http://127.0.0.1:1' })).toEqual(['connect'])
})

const FIRST: LookupAddress[] = [{ address: '192.0.2.1', family: 4 }]
const V6 = { address: '2001:db8::1', family: 6 }
const SECOND: LookupAddress[] = [V6, { address: '192.0.2.2', family: 4 }]

function begin() {
  const clock = manualClock()
  const queries: { name: string; found: Parameters<Resolve>[2] }[] = []
  const lookup = createLookup(1000, clock, (name, _, found) => void queries.push({ name, found }))
  const results: unknown[] = []
  const find = (): void =>
    lookup('isales.example', { all: true }, (error, addresses) => {
      results.push(error === null ? addresses : error.message)
    })
  return { clock, queries, results, find }
}

it('looking up a name uses the latest addresses while DNS fails, or its error if none is known', async () => {
  const { clock, queries, results, find } = begin()
  for (const [n, addresses] of [[], FIRST, SECOND, []].entries()) {
    find()
    queries[n]?.found(addresses.length === 0 ? new Error('down') : null, addresses)
    await clock.advance(0)
  }
  expect(results).toEqual(['down', FIRST, SECOND, SECOND])
})

it('looking up a name uses the latest addresses after half the timeout while DNS hangs, and its response when it arrives', async () => {
  const { clock, queries, results, find } = begin()
  find()
  queries[0]?.found(null, FIRST)
  await clock.advance(0)
  find()
  await clock.advance(499)
  expect(results).toEqual([FIRST])
  await clock.advance(1)
  expect(results).toEqual([FIRST, FIRST])
  find()
  queries[1]?.found(null, SECOND)
  await clock.advance(0)
  expect(results).toEqual([FIRST, FIRST, SECOND])
  expect(queries).toHaveLength(2)
})

it('looking up a name fails at the timeout while DNS hangs and no address is known, with one query in progress', async () => {
  const { clock, queries, results, find } = begin()
  for (let ms = 0; ms < 5000; ms += 100) {
    find()
    await clock.advance(100)
  }
  expect(queries).toHaveLength(1)
  // Connections of the last second still wait.
  expect(results).toEqual(Array.from({ length: 41 }, () => 'DNS is silent'))
  queries[0]?.found(null, FIRST)
  await clock.advance(0)
  expect(results.slice(41)).toEqual(Array.from({ length: 9 }, () => FIRST))
})
