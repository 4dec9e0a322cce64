import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Status } from '../../src/admin/model.ts'
import { environment, openIsales, serve, tasks, ticket } from '../behaviour/secrets-stand.ts'
import { call } from '../support/call.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { runHere } from './stand.ts'

/** A proxy before a simulated iSales, and the environment of a shell that knows its admin port alone. */
async function start() {
  const { server, ca } = makeCertificates()
  const sim = await openIsales({ tls: server })
  const file = join(temporaryDirectory(), 'ca.pem')
  writeFileSync(file, ca.cert)
  const port = await freePort()
  const listen = { ADMIN_LISTEN: `127.0.0.1:${port}` }
  const env = { ...environment(sim.origin), ...listen, ISALES_CA_FILE: file, INSTANCE: 'site-a' }
  const served = await serve(env)
  await served.logged('logged-in')
  const token = await ticket(served)
  await tasks(served, token)
  sim.failBusiness({ status: 500, times: 1 })
  await tasks(served, token)
  return { sim, served, env, shell: listen, secrets: [...sim.issued(), token] }
}

describe('status', () => {
  it('prints what the page shows, or its JSON', async () => {
    const { shell } = await start()
    const text = await runHere(['status'], { env: shell })
    expect(text).toMatchObject({ code: 0, stderr: '' })
    expect(text.stdout).toContain('· site-a · Version test')
    expect(text.stdout).toMatch(/^\[.+\] .+/m)
    const json = await runHere(['status', '--output', 'json'], { env: shell })
    const status = JSON.parse(json.stdout) as Status
    expect(status.instance).toBe('site-a')
    expect(text.stdout).toContain(`[${status.title}]`)
  })

  it('speaks the language of the locale', async () => {
    const { shell } = await start()
    for (const [locale, words] of [
      [{ LANG: 'zh_CN.UTF-8' }, '版本 test'],
      [{ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'Version test'],
      [{ LANG: 'de_DE.UTF-8' }, 'Version test'],
      [{ LC_MESSAGES: 'zh_TW' }, '版本 test'],
    ] as const)
      expect((await runHere(['status'], { env: { ...shell, ...locale } })).stdout).toContain(words)
  })

  it('ends with 5 where nobody listens, and where another program does', async () => {
    const port = await freePort()
    const env = { ADMIN_LISTEN: `127.0.0.1:${port}` }
    expect(await runHere(['status'], { env })).toEqual({
      code: 5,
      stdout: '',
      stderr: expect.stringContaining(`at ${env.ADMIN_LISTEN} (ECONNREFUSED). Check that it runs`),
    })
    const other = await serveHttp((_, response) => response.writeHead(404).end('<html>'), port)
    onTestFinished(other.close)
    const elsewhere = `The proxy responded 404: another program listens at ${env.ADMIN_LISTEN} (ADMIN_LISTEN).\n`
    expect((await runHere(['status'], { env })).stderr).toBe(elsewhere)
    expect(await runHere(['status', '--output', 'xml'], { env })).toMatchObject({ code: 2 })
  })
})

it('the status page says that CTI-OBS has another password than the proxy expects', async () => {
  const sim = await openIsales({})
  const served = await serve(environment(sim.origin))
  await served.logged('logged-in')
  const login = `${served.proxy}/rest/isales/v1/openapi/obs/auth/login`
  const headers = { 'Content-Type': 'application/json' }
  const body = '{"user":"cti","passwd":"mistyped"}'
  for (let count = 0; count < 3; count += 1) await call(login, { method: 'POST', headers, body })
  const page = await fetch(`${served.admin}/status.txt`)
  expect(await page.text()).toMatch(/Make user and password of its OBS URL resource the same as/)
})
