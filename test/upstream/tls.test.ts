import { X509Certificate } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { closing, listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { certificates, dispatch, egress, free, openUpstream } from './support.ts'
import { portOf, startIsales } from './support.ts'

describe('TLS to iSales', () => {
  it('is checked for the name of ISALES_TLS_SERVER_NAME, which SNI says', async () => {
    // Node reads it when a connection opens.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const names: unknown[] = []
    const isales = await startIsales(undefined, {
      ...certificates.wrongHost,
      SNICallback(name, done) {
        names.push(name)
        done(null)
      },
    })
    const isalesUrl = isales.origin
    for (const [isalesTlsServerName, found] of [
      ['elsewhere.example', { status: 200 }],
      ['another.example', { cause: { code: 'other-name' }, written: false }],
      [undefined, { cause: { code: 'other-name' }, written: false }],
    ] as const)
      expect(await dispatch(openUpstream({ isalesUrl, isalesTlsServerName }))).toMatchObject(found)
    expect(names[0]).toBe('elsewhere.example')
  })

  it('shows when the authority ends that issued the certificate of iSales', async () => {
    const isales = await startIsales(undefined, certificates.server)
    const upstream = openUpstream({ isalesUrl: isales.origin })
    expect(upstream.authorityEnd()).toBe(Infinity)
    expect(await dispatch(upstream)).toMatchObject({ status: 200 })
    const end = Date.parse(new X509Certificate(certificates.ca.cert).validTo)
    expect(upstream.authorityEnd()).toBe(end)
  })

  it('names the issuer of a certificate that is not trusted, and whether its chain is missing', async () => {
    const { cert, key } = certificates.stranger
    const issuer = /^CN=(.*)$/m.exec(new X509Certificate(cert).issuer)?.[1]
    for (const [sent, chain] of [
      [cert, 'alone'],
      [`${cert}\n${certificates.strangerCa.cert}`, 'root'],
    ]) {
      const isales = await startIsales(undefined, { cert: sent, key })
      const outcome = await dispatch(openUpstream({ isalesUrl: isales.origin }))
      expect(outcome).toMatchObject({ certificate: { issuer, chain } })
    }
  })

  it('fails without a certificate of ours that iSales wants, and says so after our handshake', async () => {
    const tls = { ...certificates.server, ca: certificates.ca.cert, requestCert: true }
    const isales = await startIsales(undefined, tls)
    expect(await dispatch(openUpstream({ isalesUrl: isales.origin }))).toMatchObject({
      cause: { stage: 'tls' },
      detail: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    })
    expect(isales.requests).toEqual([])
    const { cert, key } = certificates.client
    const own = { ca: certificates.ca.cert, cert, key: new Secret(key) }
    const admitted = await dispatch(openUpstream({ isalesUrl: isales.origin, tls: own }))
    expect(admitted).toMatchObject({ status: 200 })
  })

  it.each(['after the request', 'during a response that ends with its connection'])(
    'that breaks %s is noticed immediately, and the request may have been executed',
    async (where) => {
      let breakIt = (): void => undefined
      const isales = await startIsales(
        () => [
          where === 'after the request' ? '' : 'HTTP/1.1 200 OK\r\n\r\ncut',
          { waitMs: 20 },
          () => breakIt(),
        ],
        certificates.server,
      )
      const wire = await listen((socket) => {
        const through = connect(isales.port, '127.0.0.1')
        closing.push(() => through.destroy())
        socket.pipe(through)
        through.pipe(socket)
        // A record that cannot be decrypted.
        breakIt = () => socket.write(Buffer.from(`1703030020${'ab'.repeat(32)}`, 'hex'))
      })
      const upstream = openUpstream({
        isalesUrl: `https://127.0.0.1:${portOf(wire)}`,
        isalesConnectTimeout: 2000,
      })
      const startedAt = performance.now()
      const detail = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC'
      const broken = { detail, cause: { code: 'handshake' }, written: true }
      expect(await dispatch(upstream)).toMatchObject(broken)
      expect(performance.now() - startedAt).toBeLessThan(900)
      expect(isales.requests).toHaveLength(1)
    },
  )
})

it.each([
  ['a server that never says hello', '', false, 'connect-timeout', 'timeout'],
  ['a plain server', 'HTTP/1.1 400 Not TLS\r\n\r\n', false, 'no-tls', 'tls'],
  ['an egress proxy that says nothing', '', true, 'connect-timeout', 'proxy'],
] as const)('%s is given up in time, reported, and its one connection closed', async (...row) => {
  const [, says, isEgress, code, reported] = row
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
  expect(await dispatch(upstream)).toMatchObject({ cause: { code }, written: false })
  expect(performance.now() - startedAt).toBeLessThan(900)
  expect([connections.opened, outcomes]).toEqual([1, [reported]])
  await until(() => connections.open === 0)
})

const proxyAt = (port: number) => new Secret(`http://us%40er:wo%3Ard@127.0.0.1:${port}`)

it('the egress proxy is asked for a tunnel, and the fields keep their order and repetition in it', async () => {
  const isales = await startIsales(undefined, certificates.server)
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
  ['HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno', 'ERR_EGRESS_PROXY_REJECTED'],
  ['GARBAGE\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  [`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(201)}\r\n`, 'ERR_EGRESS_PROXY_REJECTED'],
  [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(33 * 1024)}\r\n\r\n`, 'HPE_HEADER_OVERFLOW'],
])('the egress proxy that responds %j opens nothing', async (reply, code) => {
  const { port } = await egress(reply)
  const upstream = openUpstream({ isalesUrl: 'https://127.0.0.1:1', httpsProxy: proxyAt(port) })
  const refused = { cause: { stage: 'connect', side: 'egress' }, detail: code, written: false }
  expect(await dispatch(upstream)).toMatchObject(refused)
})
