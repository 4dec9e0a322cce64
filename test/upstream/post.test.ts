import { cause } from '../../src/causes.ts'
import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { responseBytes, type RawUpstreamOptions } from '../support/raw-upstream.ts'
import { listen } from '../support/tcp-server.ts'
import { openUpstream, plain, portOf } from './support.ts'

const LATE = {
  ok: false,
  failure: 'timeout',
  code: 'ETIMEDOUT',
  cause: cause('timeout'),
  written: false,
}

async function begin(
  respond: RawUpstreamOptions['respond'],
  { signal = new AbortController().signal } = {},
) {
  const isales = await plain(respond)
  const upstream = openUpstream({ isalesUrl: isales.origin })
  const result = upstream.post({ path: '/login', headers: ['X-A', '1'], body: '{"é":1}', signal })
  return { isales, upstream, result }
}

const postTo = (upstream: ReturnType<typeof openUpstream>, path = '/login') =>
  upstream.post({ path, headers: [], body: '', signal: new AbortController().signal })

const never = (): Promise<never> => new Promise(() => undefined)

describe('a POST', () => {
  it('is sent as it is', async () => {
    const { isales, result } = await begin(() => responseBytes('ok'))
    await result
    const [request] = isales.requests
    expect(request).toMatchObject({ method: 'POST', target: '/login' })
    expect(request?.header('x-a')).toBe('1')
    expect(request?.header('content-type')).toBe('application/json')
    expect(request?.header('accept')).toBe('application/json')
    expect(request?.body.toString()).toBe('{"é":1}')
  })

  it('has its response read whole, whatever its chunks, after any interim response', async () => {
    const head = 'Retry-After: 7\r\nretry-after: 9\r\nTransfer-Encoding: chunked\r\n\r\n'
    const { result } = await begin(() => [
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      `HTTP/1.1 503 Busy\r\n${head}`,
      Buffer.from('7\r\n"token"\r\n2\r\n: \r\n'),
      { waitMs: 20 },
      Buffer.from([0x31, 13, 10, 0xc3, 13, 10]),
      { waitMs: 20 },
      Buffer.from([0x31, 13, 10, 0xa9, 13, 10]),
      '0\r\n\r\n',
    ])
    expect(await result).toEqual({ ok: true, status: 503, retryAfter: '7', body: '"token": é' })
  })

  it.each([
    [64 * 1024, 64 * 1024],
    [64 * 1024 + 1, undefined],
  ])('with a response of %i bytes has a body of %s', async (bytes, kept) => {
    const { isales, result } = await begin(() => responseBytes('x'.repeat(bytes)))
    const response = await result
    expect(response).toMatchObject({ ok: true, status: 200 })
    expect(response.ok && response.body?.length).toBe(kept)
    // A response that is too long costs its connection.
    if (kept === undefined) await until(() => isales.open() === 0)
  })

  it('that takes too long is cut off, and its connection closed', async () => {
    const sockets = { opened: 0, closed: 0 }
    const silent = await listen((socket) => {
      sockets.opened += 1
      socket.resume().once('close', () => (sockets.closed += 1))
    })
    const isalesUrl = `http://127.0.0.1:${portOf(silent)}`
    const upstream = openUpstream({ isalesUrl, limits: { loginTimeout: 100 } })
    expect(await postTo(upstream)).toEqual({ ...LATE, written: true })
    await until(() => sockets.closed === 1)
    expect(sockets.opened).toBe(1)
  })

  it('that is cancelled before there is a connection is never sent', async () => {
    const stop = new AbortController()
    const { isales, upstream, result } = await begin(() => responseBytes('ok'), {
      signal: stop.signal,
    })
    stop.abort()
    expect(await result).toEqual(LATE)
    await postTo(upstream, '/next')
    expect(isales.requests.map(({ target }) => target)).toEqual(['/next'])
  })

  it('that was cancelled before it began is not begun', async () => {
    const { isales, result } = await begin(() => responseBytes('ok'), {
      signal: AbortSignal.abort(),
    })
    expect(await result).toEqual(LATE)
    expect(isales.connections()).toBe(0)
  })

  it('fails as closed with the pool', async () => {
    const { isales, upstream, result } = await begin(never)
    await until(() => isales.requests.length === 1)
    await upstream.destroy()
    expect(await result).toMatchObject({ ok: false, failure: 'closed' })
  })
})
