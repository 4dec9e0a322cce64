import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { closing, listen } from '../support/tcp-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { certificates, dispatch, egress, free, openUpstream, portOf, secured } from './support.ts'

/** A TLS server of OpenSSL, whose port it gives; Node's own closes a connection without an alert. */
async function openssl(...args: readonly string[]): Promise<number> {
  const cwd = temporaryDirectory()
  const { server, ca } = certificates
  const files = { 's.crt': server.cert, 's.key': server.key, 'ca.crt': ca.cert }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
  const flags = ['-cert', 's.crt', '-key', 's.key', '-CAfile', 'ca.crt', ...args]
  const child = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', ...flags], { cwd })
  closing.push(() => child.kill())
  let printed = ''
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()))
  return Number(await until(() => /^ACCEPT .*:(\d+)$/m.exec(printed)?.[1]))
}

/** A TLS server whose every response ends its connection; gives its URL. */
async function closingTls(
  options: TlsOptions,
  onSocket: (socket: TLSSocket) => void,
): Promise<string> {
  const server = createTlsServer(options, (socket) => {
    onSocket(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(responseBytes('ok', { fields: ['Connection: close'] })))
  }).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  return `https://127.0.0.1:${portOf(server)}`
}

describe('TLS to iSales', () => {
  it.each(['expired', 'notYetValid', 'wrongHost', 'stranger'] as const)(
    'with a certificate that is %s is refused, and nothing was written',
    async (certificate) => {
      const isales = await secured(undefined, certificates[certificate])
      const upstream = openUpstream({
        isalesUrl: isales.origin,
        isalesMaxConnections: 1,
        isalesConnectTimeout: 2000,
      })
      // Those that wait for the one connection, too.
      for (const outcome of await Promise.all([1, 2, 3].map(() => dispatch(upstream))))
        expect(outcome).toMatchObject({ failure: 'tls', written: false })
      expect(isales.requests).toEqual([])
    },
  )

  it('is checked for the name of ISALES_TLS_SERVER_NAME, which SNI says', async () => {
    const names: unknown[] = []
    const isalesUrl = await closingTls(certificates.wrongHost, ({ servername }) =>
      names.push(servername),
    )
    for (const [isalesTlsServerName, outcome] of [
      ['elsewhere.example', { status: 200 }],
      ['another.example', { failure: 'tls', written: false }],
      [undefined, { failure: 'tls', written: false }],
    ] as const)
      expect(await dispatch(openUpstream({ isalesUrl, isalesTlsServerName }))).toMatchObject(
        outcome,
      )
    expect(names[0]).toBe('elsewhere.example')
  })

  // Under 1.3 the handshake is over for us, and the request written, before iSales looks at our certificate.
  it.each(
    (['-tls1_2', '-tls1_3'] as const).flatMap((version) =>
      ([undefined, 'strangerClient', 'expiredClient'] as const).map(
        (certificate) => [version, certificate] as const,
      ),
    ),
  )(
    '%s, that refuses our certificate (%s), has read nothing of the request',
    async (version, ours) => {
      const { ca } = certificates
      const port = await openssl('-Verify', '2', '-verify_return_error', version)
      const tls =
        ours === undefined
          ? { ca: ca.cert }
          : { ca: ca.cert, cert: certificates[ours].cert, key: new Secret(certificates[ours].key) }
      const failures: string[] = []
      const isalesUrl = `https://127.0.0.1:${port}`
      const onConnect = (outcome: string): void => {
        if (outcome !== 'opened') failures.push(outcome)
      }
      const upstream = openUpstream({ isalesUrl, tls, onConnect, isalesConnectTimeout: 2000 })
      expect(await dispatch(upstream)).toMatchObject({ failure: 'tls', written: false })
      const signal = new AbortController().signal
      expect(await upstream.post({ path: '/login', body: '{}', signal })).toMatchObject({
        failure: 'tls',
        written: false,
      })
      expect(failures).toEqual(['tls', 'tls'])
    },
  )

  it.each(['after the request', 'during a response that ends with its connection'])(
    'that breaks %s is noticed immediately, and the request may have been executed',
    async (where) => {
      let breakIt = (): void => undefined
      const isales = await secured(() => [
        where === 'after the request' ? '' : 'HTTP/1.1 200 OK\r\n\r\ncut',
        { waitMs: 20 },
        () => breakIt(),
      ])
      const wire = await listen((socket) => {
        const through = connect(isales.port, '127.0.0.1')
        closing.push(() => through.destroy())
        socket.pipe(through)
        through.pipe(socket)
        // A record that no key opens.
        breakIt = () => socket.write(Buffer.from(`1703030020${'ab'.repeat(32)}`, 'hex'))
      })
      const upstream = openUpstream({
        isalesUrl: `https://127.0.0.1:${portOf(wire)}`,
        isalesConnectTimeout: 2000,
      })
      const startedAt = performance.now()
      expect(await dispatch(upstream)).toMatchObject({
        code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
        failure: 'broken',
        written: true,
      })
      expect(performance.now() - startedAt).toBeLessThan(900)
      expect(isales.requests).toHaveLength(1)
    },
  )

  it('that fails at first leads to no more connections than are set, and all of them end with the pool', async () => {
    let most = 0
    const isales = await secured(async () => {
      most = Math.max(most, isales.open())
      await delay(20)
      return responseBytes('ok')
    })
    let connections = 0
    const wire = await listen((socket) => {
      connections += 1
      if (connections <= 2) return void socket.destroy()
      const through = connect(isales.port, '127.0.0.1')
      socket.pipe(through).pipe(socket)
      through.once('close', () => socket.destroy())
      socket.once('close', () => through.destroy())
    })
    const upstream = openUpstream({
      isalesUrl: `https://127.0.0.1:${portOf(wire)}`,
      isalesMaxConnections: 2,
      isalesConnectTimeout: 2000,
    })
    const early = [1, 2, 3, 4].map(() => dispatch(upstream))
    await until(() => isales.requests.length > 0)
    const late = [1, 2, 3, 4].map(() => dispatch(upstream))
    const statuses = (await Promise.all([...early, ...late])).map(({ status }) => status)
    expect(statuses).toEqual([0, 0, 200, 200, 200, 200, 200, 200])
    expect(most).toBe(2)
    await upstream.destroy()
    await until(() => isales.open() === 0)
  })
})

it.each([
  ['a server that never says hello', '', false, 'unreachable', 'timeout'],
  ['a plain server', 'HTTP/1.1 400 Not TLS\r\n\r\n', false, 'tls', 'tls'],
  ['an egress proxy that says nothing', '', true, 'unreachable', 'proxy'],
] as const)('%s is given up in time, reported, and its one connection closed', async (...row) => {
  const [, says, isEgress, failure, reported] = row
  const connections = { opened: 0, open: 0 }
  const server = await listen((socket) => {
    connections.opened += 1
    connections.open += 1
    socket.resume().once('close', () => (connections.open -= 1))
    if (says !== '') socket.end(says)
  })
  const there = `127.0.0.1:${portOf(server)}`
  const outcomes: string[] = []
  const upstream = openUpstream({
    ...(isEgress
      ? { isalesUrl: 'https://127.0.0.1:1', httpsProxy: new Secret(`http://${there}`) }
      : { isalesUrl: `https://${there}` }),
    onConnect: (outcome) => outcomes.push(outcome),
  })
  const startedAt = performance.now()
  expect(await dispatch(upstream)).toMatchObject({ failure, written: false })
  expect(performance.now() - startedAt).toBeLessThan(900)
  expect([connections.opened, outcomes]).toEqual([1, [reported]])
  await until(() => connections.open === 0)
})

describe('the egress proxy', () => {
  const proxyAt = (port: number) => new Secret(`http://us%40er:wo%3Ard@127.0.0.1:${port}`)

  it('is asked for a tunnel, and the fields keep their order and repetition in it', async () => {
    const isales = await secured()
    const { asked, port } = await egress('HTTP/1.1 200 OK\r\n\r\n', isales.port)
    const upstream = openUpstream({ isalesUrl: isales.origin, httpsProxy: proxyAt(port) })
    const fields = ['X-A', '1', 'Cookie', 'a=b', 'x-a', '2', 'Cookie', 'c=d']
    expect(await dispatch(upstream, fields)).toMatchObject({ status: 200, text: 'ok' })
    const login = Buffer.from('us@er:wo:rd').toString('base64')
    expect(asked[0]).toMatch(new RegExp(`^CONNECT 127.0.0.1:${isales.port} HTTP/1.1\r\n`))
    expect(asked[0]).toContain(`Proxy-Authorization: Basic ${login}\r\n`)
    const sent = isales.requests[0]?.fields.flat() ?? []
    expect(sent.join(' ')).toContain(fields.join(' '))
    expect(sent.join(' ').toLowerCase()).not.toContain('proxy')
    await free()
    expect(await dispatch(upstream)).toMatchObject({ status: 200 })
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['HTTP/1.1 407 Who are you\r\n\r\n', 'ERR_EGRESS_PROXY_AUTH'],
    ['HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno', 'ERR_EGRESS_PROXY_REFUSED'],
    ['GARBAGE\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  ])('that responds %j opens nothing', async (reply, code) => {
    const { port } = await egress(reply)
    const upstream = openUpstream({ isalesUrl: 'https://127.0.0.1:1', httpsProxy: proxyAt(port) })
    expect(await dispatch(upstream)).toMatchObject({
      failure: 'unreachable',
      code,
      written: false,
    })
  })
})
