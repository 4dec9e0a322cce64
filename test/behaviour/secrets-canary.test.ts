import { expect, test } from 'vitest'
import { LOGIN_PATH, REFRESH_PATH, type Simulator } from '../../simulator/index.ts'
import { runHere } from '../cli/stand.ts'
import { connectRaw } from '../support/raw-client.ts'
import { CANARIES, leaks, openSecretWorld, SECRET_SETTINGS } from '../support/secrets.ts'
import { shown, whole } from '../support/secrets.ts'

const SECRET_TEXT = Object.values(CANARIES).join(' ')

// Changed passwords are in the simulation.
const { responseToken: token, responseRefresh: refreshToken } = CANARIES
const GRANT = { token, tokenExpirationTime: 300, refreshToken, refreshExpirationTime: 3600 }
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
])('no secret is shown when iSales %s at login', async (_how, spoil) => {
  const world = await openSecretWorld({ prepare: spoil })
  await world.logged('finding-began', 'logged-in')
  const { sim } = world
  const { token } = await world.logIn(CANARIES.obsPassword)
  const response = await world.tasks(token)
  const secrets = [...sim.issued(), token]
  expect(leaks(whole(response), secrets)).toEqual([])
  expect(leaks(await shown(world), secrets)).toEqual([])

  sim.clear()
  spoil(sim)
  const env = { ...SECRET_SETTINGS, ISALES_URL: sim.origin }
  const live = await runHere(['check', '--live'], { env })
  expect(live.stderr).toContain('ISALES_PASSWORD')
  expect(leaks(live.stdout + live.stderr, sim.issued())).toEqual([])
})

test('no secret is shown in the refusals of requests with secrets in the wrong place', async () => {
  const { sim, ...world } = await openSecretWorld({ ready: true })
  const secret = encodeURIComponent(CANARIES.password)
  const bearer = { Authorization: `Bearer ${CANARIES.clientToken}` }
  const responses = await Promise.all([
    world.post(LOGIN_PATH, { user: 'cti', passwd: CANARIES.wrongPassword }),
    world.post(LOGIN_PATH, `{"user": "cti", "passwd": "${CANARIES.wrongPassword}`),
    world.post(REFRESH_PATH, { refreshToken: CANARIES.clientToken }),
    world.tasks(CANARIES.clientToken),
    world.request(`/elsewhere?passwd=${secret}`, { headers: bearer }),
    world.request(`/rest/isales/..%2fup?passwd=${secret}`, { headers: bearer }),
    world.request('/', { headers: { ...bearer, Host: CANARIES.clientToken } }),
    world.request('/', { headers: { ...bearer, Origin: `http://${CANARIES.clientToken}` } }),
    world.request('/', { headers: { ...bearer, Expect: CANARIES.clientToken } }),
    world.request('/', { headers: { ...bearer, 'X-Long': CANARIES.clientToken.repeat(4000) } }),
  ])
  const raw = await connectRaw(world)
  await raw.send(`GET /${CANARIES.clientToken} HTTP/9.9\r\n${CANARIES.clientToken}\r\n\r\n`)
  const malformed = await raw.read()
  raw.destroy()

  expect(responses.map(({ status }) => status).every((status) => status >= 400)).toBe(true)
  expect(leaks(responses.map(whole).join('\n'), sim.issued())).toEqual([])
  expect(malformed.status).toBeGreaterThanOrEqual(400)
  expect(leaks(JSON.stringify(malformed) + malformed.body.toString())).toEqual([])
  expect(leaks(await shown(world), sim.issued())).toEqual([])
})
