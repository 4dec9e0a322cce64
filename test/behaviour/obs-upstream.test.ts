import { renameSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { makeCertificates } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const made = makeCertificates()
const ca = made.ca.cert
const directory = temporaryDirectory()
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
  return path
}

/** An egress proxy that knows CONNECT and nothing else. */
async function openEgress() {
  const asked: string[] = []
  const server = createServer((_request, response) => response.writeHead(405).end())
  servers.push(server)
  server.on('connect', ({ url = '' }, socket) => {
    asked.push(url)
    const { hostname, port } = new URL(`http://${url}`)
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    onward.on('error', () => socket.destroy())
    socket.on('error', () => onward.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('iSales that asks for a client certificate gets ours, for logins and for calls', async () => {
  const tls = { ...made.server, requestCert: true, ca }
  const world = await openWorld({
    simulator: { tls },
    env: {
      ISALES_CA_FILE: file('mutual-ca.crt', ca),
      ISALES_CLIENT_CERT_FILE: file('client.crt', made.client.cert),
      ISALES_CLIENT_KEY_FILE: file('client.key', made.client.key),
    },
  })
  expect((await world.tasks()).status).toBe(200)
})

test('without one iSales refuses the handshake, and the client gets 503 no-token', async () => {
  const tls = { ...made.server, requestCert: true, ca }
  const env = { ISALES_CA_FILE: file('alone-ca.crt', ca), TOKEN_WAIT: '300ms' }
  const world = await openWorld({ simulator: { tls }, env, ready: false })
  await until(() => world.events.some(({ type }) => type === 'failed'))
  expect((await world.tasks()).json).toMatchObject({ code: 'no-token', sent: 'no' })
  expect(world.sim.state().loginAttempts).toBe(0)
})

test('a CA file that changes is trusted from then on, without a restart', async () => {
  const caFile = file('changing-ca.crt', made.strangerCa.cert)
  const env = { ISALES_CA_FILE: caFile, LOGIN_BACKOFF: '100ms', LOGIN_BACKOFF_MAX: '1s' }
  const world = await openWorld({ simulator: { tls: made.server }, env, ready: false })
  await until(() => world.events.some(({ type }) => type === 'failed'))
  file('changing-ca.crt', ca)
  await until(() => world.events.some(({ type }) => type === 'granted'))
  expect((await world.tasks()).status).toBe(200)
})

test('HTTPS_PROXY carries logins and calls; TLS is with iSales itself', async () => {
  const egress = await openEgress()
  const world = await openWorld({
    simulator: { tls: made.server },
    env: { ISALES_CA_FILE: file('egress-ca.crt', ca), HTTPS_PROXY: egress.url },
  })
  expect((await world.tasks()).status).toBe(200)
  expect(new Set(egress.asked)).toEqual(new Set([`127.0.0.1:${world.sim.port}`]))
})

test('NO_PROXY bypasses it', async () => {
  const egress = await openEgress()
  const world = await openWorld({
    simulator: { tls: made.server },
    env: {
      ISALES_CA_FILE: file('past-ca.crt', ca),
      HTTPS_PROXY: egress.url,
      NO_PROXY: '127.0.0.1',
    },
  })
  expect((await world.tasks()).status).toBe(200)
  expect(egress.asked).toEqual([])
})
