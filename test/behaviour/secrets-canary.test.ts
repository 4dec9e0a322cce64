import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH, type Simulator } from '../../simulator/index.ts'
import { runHere } from '../cli/stand.ts'
import { call } from '../support/call.ts'
import { CANARIES, leaks } from '../support/canaries.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  environment,
  openIsales,
  post,
  serve,
  shown,
  tasks,
  ticket,
  whole,
} from './secrets-stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const SECRET_TEXT = Object.values(CANARIES).join(' ')

describe('no secret is shown', () => {
  const GRANT = {
    token: CANARIES.responseToken,
    tokenExpirationTime: 300,
    refreshToken: CANARIES.responseRefresh,
    refreshExpirationTime: 3600,
  }
  const answers = (body: unknown, contentType?: string) => (sim: Simulator) =>
    sim.answerLogin({ body, ...(contentType !== undefined && { contentType }) })
  const grants = (changes: object) => answers({ result: 0, resultData: { ...GRANT, ...changes } })
  test.each<readonly [string, (sim: Simulator) => void]>([
    ['refuses with a status', (sim) => sim.failLogin({ status: 403, body: SECRET_TEXT })],
    ['refuses by result', answers({ result: 7, message: SECRET_TEXT })],
    ['gives a secret as result', answers({ result: SECRET_TEXT })],
    ['asks for patience', (sim) => sim.failLogin({ status: 429, retryAfter: SECRET_TEXT })],
    ['fails', (sim) => sim.failLogin({ status: 500, body: SECRET_TEXT })],
    ['gives a page', answers(SECRET_TEXT, 'text/html')],
    ['names a strange type', answers('{}', SECRET_TEXT)],
    [
      'responds with cut JSON',
      answers(JSON.stringify({ result: 0, resultData: GRANT }).slice(0, -9)),
    ],
    [
      'responds with a token that no field can hold',
      grants({ token: `${CANARIES.responseToken}\r\n` }),
    ],
    ['responds with a token for a lifetime', grants({ tokenExpirationTime: SECRET_TEXT })],
    ['redirects', (sim) => sim.redirect({ operation: 'login', location: `/${SECRET_TEXT}` })],
    ['cuts its response', (sim) => sim.reset({ operation: 'login', at: 'mid-body' })],
  ])('when iSales %s at login', async (_how, spoil) => {
    const sim = await openIsales()
    spoil(sim)
    const served = await serve(environment(sim.origin))
    await served.logged('finding-began', 'logged-in')
    const token = await ticket(served)
    const response = await tasks(served, token)
    const secrets = [...sim.issued(), token]
    expect(leaks(whole(response), secrets)).toEqual([])
    expect(leaks(await shown(served), secrets)).toEqual([])

    sim.clear()
    spoil(sim)
    const live = await runHere(['check', '--live'], { env: environment(sim.origin) })
    expect(live.stdout).toContain('ISALES_PASSWORD')
    expect(leaks(live.stdout + live.stderr, sim.issued())).toEqual([])
  })

  test('when TLS fails, and in `check --live`', async () => {
    const { stranger, ca } = makeCertificates()
    const sim = await openIsales({ tls: stranger })
    const file = join(temporaryDirectory(), 'ca.pem')
    writeFileSync(file, ca.cert)
    const env = { ...environment(sim.origin), ISALES_CA_FILE: file }
    const served = await serve(env)
    expect((await served.logged('finding-began'))['cause']).toBe('untrusted')
    const response = await tasks(served, await ticket(served))
    expect(response.json.code).toBe('no-token')
    expect(leaks(whole(response))).toEqual([])
    expect(leaks(await shown(served))).toEqual([])
    const live = await runHere(['check', '--live'], { env })
    expect(live.code).not.toBe(0)
    expect(leaks(live.stdout + live.stderr)).toEqual([])
  })

  test('in the refusals of requests with secrets in the wrong place', async () => {
    const sim = await openIsales()
    const served = await serve(environment(sim.origin))
    await served.logged('logged-in')
    const { proxy } = served
    const secret = encodeURIComponent(CANARIES.password)
    const bearer = { Authorization: `Bearer ${CANARIES.clientToken}` }
    const responses = await Promise.all([
      post(`${proxy}${LOGIN_PATH}`, { user: 'cti', passwd: CANARIES.wrongPassword }),
      post(`${proxy}${LOGIN_PATH}`, `{"user": "cti", "passwd": "${CANARIES.wrongPassword}`),
      post(`${proxy}${REFRESH_PATH}`, { refreshToken: CANARIES.clientToken }),
      post(`${proxy}${INTERFACE_PATHS.getTask}`, {}, bearer),
      call(`${proxy}/elsewhere?passwd=${secret}`, { headers: bearer }),
      call(`${proxy}/rest/isales/..%2fup?passwd=${secret}`, { headers: bearer }),
      call(`${proxy}/`, { headers: { ...bearer, Host: CANARIES.clientToken } }),
      call(`${proxy}/`, { headers: { ...bearer, Origin: `http://${CANARIES.clientToken}` } }),
      call(`${proxy}/`, { headers: { ...bearer, Expect: CANARIES.clientToken } }),
      call(`${proxy}/`, { headers: { ...bearer, 'X-Long': CANARIES.clientToken.repeat(4000) } }),
    ])
    const raw = await connectRaw({ port: Number(new URL(proxy).port) })
    await raw.send(`GET /${CANARIES.clientToken} HTTP/9.9\r\n${CANARIES.clientToken}\r\n\r\n`)
    const malformed = await raw.read()
    raw.destroy()

    expect(responses.map(({ status }) => status).every((status) => status >= 400)).toBe(true)
    expect(leaks(responses.map(whole).join('\n'), sim.issued())).toEqual([])
    expect(malformed.status).toBeGreaterThanOrEqual(400)
    expect(leaks(JSON.stringify(malformed) + malformed.body.toString())).toEqual([])
    expect(leaks(await shown(served), sim.issued())).toEqual([])
  })

  test('when a mounted password changes, and when its file is unreadable', async () => {
    const sim = await openIsales()
    const file = join(temporaryDirectory(), 'password')
    writeFileSync(file, CANARIES.password)
    const { ISALES_PASSWORD: _, ...env } = environment(sim.origin)
    const served = await serve({ ...env, ISALES_PASSWORD_FILE: file })
    await served.logged('logged-in')
    sim.set({ password: CANARIES.rotated })
    writeFileSync(file, CANARIES.rotated)
    await served.renew()
    await served.logged('files-reloaded')
    await until(() => sim.state().logins === 2)
    writeFileSync(file, `${CANARIES.rotated}\u0000${CANARIES.wrongPassword}`.repeat(9000))
    await served.renew()
    await served.logged('secret-unreadable')
    expect(leaks(await shown(served), sim.issued())).toEqual([])
  })
})
