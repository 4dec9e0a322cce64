import { lookup } from 'node:dns'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createConnect } from '../../src/upstream/connector.ts'
import type { Resolve } from '../../src/upstream/lookup.ts'
import { ConnectError } from '../../src/upstream/errors.ts'
import { answerBytes } from '../support/raw-upstream.ts'
import { listen } from '../support/tcp-server.ts'
import { dispatch, openUpstream, plain, portOf } from './support.ts'

afterEach(() => void vi.useRealTimers())

const OPTIONS = {
  origin: 'https://127.0.0.1:1',
  tls: {},
  timeout: 100,
  egress: undefined,
  lookup,
}

test('a connection that cannot be started fails once, and not again at its timeout', () => {
  vi.useFakeTimers()
  const outcomes: unknown[] = []
  const connect = createConnect({ ...OPTIONS, tls: { cert: 'not PEM' } })
  connect((outcome) => outcomes.push(outcome))
  vi.advanceTimersByTime(1000)
  expect(outcomes).toEqual([expect.any(ConnectError)])
})

test('a login at the egress proxy that cannot be decoded fails at the start', () => {
  const egress = new URL('http://u:100%@127.0.0.1:1')
  expect(() => createConnect({ ...OPTIONS, egress })).toThrow(URIError)
})

const noName: Resolve = (_name, _options, found) => {
  found(Object.assign(new Error('x'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }), [])
}
const noResponse: Resolve = () => undefined

describe('a connection that fails', () => {
  it('is counted by its reason', async () => {
    const isales = await plain(() => answerBytes('ok'))
    const failing = async (changes: Parameters<typeof openUpstream>[0]) => {
      const upstream = openUpstream(changes)
      await dispatch(upstream)
      const { connectFailures, opened } = upstream.stats()
      return { opened, ...connectFailures }
    }
    const none = { opened: 0, dns: 0, refused: 0, timeout: 0, tls: 0, proxy: 0 }
    const plainServer = await listen((socket) => socket.end('HTTP/1.1 400 Not TLS\r\n\r\n'))
    const secure = `https://127.0.0.1:${portOf(plainServer)}`
    const silentServer = await listen(() => undefined)
    const isalesUrl = 'http://isales.example'
    expect(await failing({ isalesUrl: isales.origin })).toEqual({ ...none, opened: 1 })
    expect(await failing({ isalesUrl, resolve: noName })).toEqual({ ...none, dns: 1 })
    expect(await failing({ isalesUrl, resolve: noResponse })).toEqual({ ...none, dns: 1 })
    expect(await failing({ isalesUrl: 'http://127.0.0.1:1' })).toEqual({ ...none, refused: 1 })
    expect(await failing({ isalesUrl: secure })).toEqual({ ...none, tls: 1 })
    expect(await failing({ isalesUrl: `https://127.0.0.1:${portOf(silentServer)}` })).toEqual({
      ...none,
      timeout: 1,
    })
    const httpsProxy = new Secret(`http://127.0.0.1:${portOf(silentServer)}`)
    expect(await failing({ isalesUrl: secure, httpsProxy })).toEqual({ ...none, proxy: 1 })
  })

  it('for want of DNS costs one query, however many requests there are', async () => {
    let queries = 0
    const upstream = openUpstream({
      isalesUrl: 'http://isales.example',
      isalesMaxConnections: 256,
      resolve: () => void (queries += 1),
    })
    const outcomes = await Promise.all(Array.from({ length: 1000 }, () => dispatch(upstream)))
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ failure: 'unreachable', written: false })
    expect(queries).toBe(1)
  })
})
