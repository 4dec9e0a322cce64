import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { openUpstream, startIsales } from './support.ts'

const postTo = (
  upstream: ReturnType<typeof openUpstream>,
  path = '/login',
  signal = new AbortController().signal,
) => upstream.post({ path, body: '{"é":1}', signal })

describe('a POST', () => {
  it('has its response read whole, in any chunks, after any interim response', async () => {
    const head = 'Retry-After: 7\r\nretry-after: 9\r\nTransfer-Encoding: chunked\r\n\r\n'
    const isales = await startIsales(() => [
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      `HTTP/1.1 503 Busy\r\n${head}`,
      Buffer.from('7\r\n"token"\r\n2\r\n: \r\n'),
      { waitMs: 20 },
      Buffer.from([0x31, 13, 10, 0xc3, 13, 10]),
      { waitMs: 20 },
      Buffer.from([0x31, 13, 10, 0xa9, 13, 10]),
      '0\r\n\r\n',
    ])
    const expected = { ok: true, status: 503, retryAfter: '7', body: '"token": é' }
    expect(await postTo(openUpstream({ isalesUrl: isales.origin }))).toMatchObject(expected)
  })

  it.each([
    [64 * 1024, 64 * 1024],
    [64 * 1024 + 1, undefined],
  ])('with a response of %i bytes has a body of %s', async (bytes, kept) => {
    const isales = await startIsales(() => responseBytes('x'.repeat(bytes)))
    const response = await postTo(openUpstream({ isalesUrl: isales.origin }))
    expect(response).toMatchObject({ ok: true, status: 200 })
    expect(response.ok && response.body?.length).toBe(kept)
    // A response that is too long costs its connection.
    if (kept === undefined) await until(() => isales.open() === 0)
  })

  const BODY = '{"result":0}'
  it.each<readonly [string, Buffer, string | undefined]>([
    ['gzip', gzipSync(BODY), BODY],
    ['X-GZIP', gzipSync(BODY), BODY],
    ['deflate', deflateSync(BODY), BODY],
    ['deflate', deflateRawSync(BODY), BODY],
    ['br', brotliCompressSync(BODY), BODY],
    ['identity', Buffer.from(`\uFEFF${BODY}`), BODY],
    ['gzip', Buffer.from(BODY), undefined],
    ['zstd', Buffer.from(BODY), undefined],
    ['gzip', gzipSync('x'.repeat(64 * 1024 + 1)), undefined],
    ['br', brotliCompressSync('x'.repeat(50_000_000)), undefined],
  ])('with a response in %s is decoded, up to 64 KiB', async (coding, bytes, body) => {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${bytes.length}\r\n\r\n`
    const isales = await startIsales(() => [head, bytes])
    const response = await postTo(openUpstream({ isalesUrl: isales.origin }))
    expect(response).toMatchObject({ ok: true, body, size: bytes.length })
  })

  it.each([200, 201])('with a response of %i headers', async (headers) => {
    const fields = Array.from({ length: headers - 1 }, () => 'X: y')
    const isales = await startIsales(() => responseBytes('ok', { fields }))
    const result = await postTo(openUpstream({ isalesUrl: isales.origin }))
    const long = {
      cause: { code: 'tls-expected' },
      detail: 'UND_ERR_HEADERS_OVERFLOW',
      written: true,
    }
    expect(result).toMatchObject(headers > 200 ? long : { ok: true })
  })

  const CUT_HEAD = 'HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n'
  it.each([
    ['breaks off', 'connection-lost', [CUT_HEAD, 'abc', { close: 'reset' }]],
    ['stalls', 'timeout', [CUT_HEAD, 'abc']],
  ] as const)('whose response %s keeps its status', async (_, code, parts) => {
    const isales = await startIsales(() => parts)
    const upstream = openUpstream({ isalesUrl: isales.origin, limits: { loginTimeout: 300 } })
    const cause = { code }
    expect(await postTo(upstream)).toMatchObject({ cause, status: 403, written: true })
  })

  it('that is canceled before it begins, or before there is a connection, is never sent', async () => {
    const isales = await startIsales()
    const upstream = openUpstream({ isalesUrl: isales.origin })
    const stop = new AbortController()
    const late = { cause: { code: 'timeout' }, detail: 'ETIMEDOUT', written: false }
    const result = postTo(upstream, '/first', stop.signal)
    stop.abort()
    expect(await result).toMatchObject(late)
    expect(await postTo(upstream, '/second', stop.signal)).toMatchObject(late)
    await postTo(upstream, '/third')
    expect(isales.requests.map(({ target }) => target)).toEqual(['/third'])
  })
})
