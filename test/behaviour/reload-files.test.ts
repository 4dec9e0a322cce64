import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Milliseconds until a change is used: polling, and the time to settle. `renew` takes less. */
const NOTICED = 6000

vi.setConfig({ testTimeout: 20_000 })

let directory: string
beforeEach(() => {
  directory = temporaryDirectory()
})

const write = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text)
  return join(directory, name)
}

const reloads = (world: World, outcome: string): Promise<number> =>
  world.metric(`isales_proxy_credential_reloads_total{outcome="${outcome}"}`)

const login = (world: World, passwd: string) => world.post(LOGIN_PATH, { user: 'cti', passwd })

test('files that are emptied, removed or not readable keep their previous contents in force, and are on the page until they are restored', async () => {
  const { ca, server } = makeCertificates()
  const secrets = [
    ['ISALES_USER', 'obs'],
    ['ISALES_PASSWORD', 'right'],
    ['OBS_PASSWORD', 'old'],
    ['ISALES_CA', ca.cert],
  ] as const
  const files = Object.fromEntries(
    secrets.map(([setting, text]) => [`${setting}_FILE`, write(setting, text)]),
  )
  const world = await openWorld({
    simulator: { tls: server, switches: { user: 'obs', password: 'right' } },
    env: { ...files, ISALES_USER: undefined, ISALES_PASSWORD: undefined, OBS_USER: 'cti' },
  })
  const isSaid = () => world.metric('isales_proxy_finding{finding="files"}')

  for (const setting of ['ISALES_USER', 'ISALES_CA']) rmSync(join(directory, setting))
  mkdirSync(join(directory, 'ISALES_CA'))
  write('ISALES_PASSWORD', '')
  write('OBS_PASSWORD', '\n')
  const { state, remedy, runbooks } = await until(async () => {
    const status = await world.status()
    const facts = JSON.stringify(status.findings)
    return secrets.every(([setting]) => facts.includes(setting)) && status
  }, NOTICED)
  expect(state).toBe('degraded')
  for (const [setting] of secrets) {
    const line = world.lines.find((each) => each.setting === `${setting}_FILE`)
    expect(line?.detail).toMatch(/\. /)
  }
  expect(remedy).toContain('Restore or fix the file, or its rights')
  expect(runbooks[0]).toBe('/docs/operations.md#isalesproxyreloadfailed')
  expect(await isSaid()).toBe(1)
  expect(await reloads(world, 'failure')).toBeGreaterThan(0)
  expect((await login(world, 'old')).status).toBe(200)
  expect((await world.tasks((await world.logIn('old')).token)).status).toBe(200)

  rmdirSync(join(directory, 'ISALES_CA'))
  for (const [setting, text] of secrets) write(setting, text)
  await until(async () => (await isSaid()) === 0, NOTICED)
  expect((await world.status()).state).toBe('healthy')
  expect(world.lines.filter(({ event }) => event === 'files-reloaded')).toHaveLength(3)
})

test('a changed password is used while another file is empty', async () => {
  const files = {
    ISALES_PASSWORD_FILE: write('password', 'old'),
    OBS_PASSWORD_FILE: write('obs', 'cti-password'),
  }
  const world = await openWorld({
    simulator: { switches: { password: 'right' } },
    env: { ...files, ISALES_PASSWORD: undefined, OBS_USER: 'cti', ALLOWED_PATHS: undefined },
    ready: false,
  })
  await world.logged('finding-began')
  write('obs', '')
  write('password', 'right')
  await world.app.renew()
  await world.logged('logged-in')
  const { token } = await world.logIn()
  expect((await world.tasks(token)).status).toBe(200)
})

test('a changed CA file is trusted without a restart', async () => {
  const { ca, server, strangerCa } = makeCertificates()
  const env = { ISALES_CA_FILE: write('ca', strangerCa.cert) }
  const world = await openWorld({ simulator: { tls: server }, env, ready: false })
  await world.logged('finding-began')
  write('ca', ca.cert)
  await world.app.renew()
  await world.logged('logged-in')
  expect((await world.tasks()).status).toBe(200)
})

test('after a change of LISTEN_CLIENT_CA_FILE, the next response closes a connection of before', async () => {
  const { ca, server, client, strangerCa } = makeCertificates()
  const env = {
    LISTEN_TLS_CERT_FILE: write('cert', server.cert),
    LISTEN_TLS_KEY_FILE: write('key', server.key),
    LISTEN_CLIENT_CA_FILE: write('ca', ca.cert),
  }
  const world = await openWorld({ env })
  const old = await connectRaw({ port: world.port, tls: { ca: ca.cert, ...client } })
  const ask = async () => {
    const line = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1`
    await old.send(requestText(line, ['Host: localhost'], '{}'))
    return (await old.read()).header('connection')
  }
  expect(await ask()).toBe('keep-alive')
  write('ca', strangerCa.cert)
  await world.app.renew()
  expect(await ask()).toBe('close')
  await old.closed()
})
