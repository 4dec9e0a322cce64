import { execFileSync } from 'node:child_process'
import { parseEnv } from 'node:util'
import { assert, asyncProperty, constantFrom, record, type Arbitrary } from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BASE_PATH, createSimulator, INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Simulator, Switches } from '../../simulator/index.ts'
import { SWITCHES } from '../../simulator/switches.ts'
import type { Environment } from '../../src/config/load.ts'
import { openCtiObs, type Edition } from '../behaviour/cti-obs.ts'
import { serveHttp } from '../support/http-server.ts'
import { leaks } from '../support/secrets.ts'
import { openWorld } from '../support/world.ts'
import { accountOf, openIsales, runHere } from './stand.ts'

// `check --live` finds settings for an iSales with any switches, and its transcript shows how that iSales behaves.

const INTERFACE_PATH = `${BASE_PATH}/business/interface`
const ALLOWED = `${BASE_PATH}/`

/** Runs `check --live --trace`. `settings`: stdout, as systemd reads it. */
async function checkAt(sim: Simulator, env: Environment = {}) {
  const args = ['check', '--live', '--trace', '--quiet']
  const { code, stdout, stderr } = await runHere(args, { env: { ...accountOf(sim), ...env } })
  return {
    code,
    stdout,
    stderr,
    settings: parseEnv(stdout.replaceAll(String.raw`\\`, '\\')),
    codes: Array.from(stderr.matchAll(/^(?:Warning|Error): .*\[([\w-]+)\]$/gm), ([, one]) => one),
    transcript: stderr.match(/^[*<>] .*\n/gm)?.join('') ?? '',
    verdict: stderr.match(/^(?:It works|The login|iSales rejected|No login).*$/m)?.[0],
  }
}

/** Switches that need a setting, that cause a warning, and that must not matter. */
const VALUES = {
  user: ['agent-4711', '坐席'],
  password: ['simulated-password', '密 码"'],
  tokenLifetime: [300, '300', 'soon', null, -5, 0, 10, 300_000],
  refreshLifetime: [3600, '3600', null],
  omit: [[], ['refreshToken'], ['tokenExpirationTime', 'refreshExpirationTime']],
  resultAs: ['number', 'string'],
  rejection: [401, 403, 400, 410, 500, 'result'],
  rejectionResult: [7, '100401', '1\\2 "\'$x'],
  rejectionBody: ['json', 'empty', 'html'],
  refreshRejection: [401, 404, 500, 'result'],
  edition: ['english', 'chinese'],
  acceptHeaders: [null, ['Authorization'], ['Authentication'], ['Authorization', 'Authentication']],
  businessToken: [null, 'token', 'refreshToken'],
  scheme: ['Bearer', ''],
  refreshHeader: [true, false],
  refreshBody: [true, false],
  rotate: [true, false],
  refreshEndsOld: [true, false],
  singleSession: [true, false],
  sameToken: ['off', 'extended', 'remaining', 'unextended'],
  absoluteUrls: [true, false],
  callsUnder: [null, '/rest/isales/v2/openapi/obs', '/obs'],
  repeatSecrets: [true, false],
  // The proxy does not ask for compressed logins, and does not understand them.
  gzip: ['off', 'accepted'],
} as const satisfies Partial<Record<keyof Switches, readonly unknown[]>>

const switches: Arbitrary<Switches> = record(
  Object.fromEntries(
    Object.entries(VALUES).map(([name, values]) => [name, constantFrom<unknown[]>(...values)]),
  ),
)
  .map((drawn) => SWITCHES.parse(drawn))
  .filter(({ edition, businessToken, omit }) => {
    const carried = businessToken ?? (edition === 'chinese' ? 'refreshToken' : 'token')
    // Without a granted refresh token, no client could call such an iSales.
    return carried === 'token' || !omit.includes('refreshToken')
  })

function doubtsOf(given: Switches): readonly string[] {
  const { tokenLifetime: stated, omit, rejection, singleSession, sameToken } = given
  const lifetime = omit.includes('tokenExpirationTime') ? Number.NaN : Number(stated)
  const doubts: Readonly<Record<string, boolean>> = {
    'no-lifetime': !(lifetime > 0),
    'short-lifetime': lifetime > 0 && lifetime < 20,
    'long-lifetime': lifetime > 86_400,
    'check-blind': rejection === 500,
    'rejected-by-result': rejection === 'result',
    'no-refresh': omit.includes('refreshToken'),
    'single-session': singleSession && sameToken === 'off',
  }
  return Object.keys(doubts).filter((code) => doubts[code])
}

/** Runs every request of CTI-OBS through a proxy with these settings only. */
async function conversation(changes: Switches, env: Environment, edition: Edition) {
  const world = await openWorld({
    simulator: { switches: changes },
    env: {
      ISALES_USER: changes.user,
      ISALES_PASSWORD: changes.password,
      ALLOWED_PATHS: ALLOWED,
      ...env,
    },
  })
  const { sim } = world
  const obs = await openCtiObs(world, edition)
  const works = async (response: Promise<{ status: number; result: unknown; data: object }>) => {
    const { status, result, data } = await response
    expect([status, String(result)]).toEqual([200, '0'])
    return data as Readonly<Record<string, unknown>>
  }
  await works(obs.login())
  const named = await works(obs.readInterface(INTERFACE_PATH))
  expect(JSON.stringify(named)).not.toContain(sim.origin)
  await works(obs.call('getTask', {}))
  // Without a path from iSales, CTI-OBS cannot refresh.
  if (named['refreshToken'] !== undefined) await works(obs.refresh())
  // A 500 is a failed call, from which the proxy cannot learn that the token was revoked.
  if (changes.rejection !== 500) sim.revoke()
  await works(obs.call('getUserData', { serviceId: 1, batchCount: 1 }))
  expect(sim.state()).toMatchObject({ wrongPasswords: 0, locked: false })
  obs.close()
  await world.stop()
}

describe('check --live', () => {
  test('names settings with which CTI-OBS works, and all warnings, for any switches of iSales', async () => {
    const editions = constantFrom<Edition>('english', 'chinese')
    await assert(
      asyncProperty(switches, editions, async (changes, edition) => {
        const sim = await createSimulator({ switches: changes })
        const first = await checkAt(sim)
        const isDifferent = Object.keys(first.settings).length > 0
        expect([first.code, sim.state().loginsRejected]).toEqual([isDifferent ? 2 : 0, 0])
        // Keeps the second check from getting the session of the first.
        sim.revoke()
        const again = await checkAt(sim, first.settings)
        const doubts = doubtsOf(changes)
        const works = doubts.length === 0 ? 'It works.' : 'It works, with warnings.'
        expect([again.settings, again.codes, again.code]).toEqual([{}, doubts, 0])
        expect(again.verdict).toMatch(new RegExp(`^${works}`))
        for (const { stdout, stderr, transcript } of [first, again]) {
          expect(leaks(stdout + stderr, [...sim.issued(), changes.password])).toEqual([])
          expect(transcript).not.toContain(changes.user)
        }
        await sim.close()
        await conversation(changes, first.settings, edition)
      }),
      { numRuns: process.env['CI'] === 'true' ? 12 : 6 },
    )
  }, 60_000)

  test('a setting whose default allows the same paths is to be removed', async () => {
    const { sim } = await openIsales()
    const given = { ALLOWED_PATHS: `${ALLOWED}auth/,${INTERFACE_PATHS.getTask}` }
    const { settings, stderr } = await checkAt(sim, given)
    expect(settings).toEqual({ ALLOWED_PATHS: '' })
    expect(stderr).toContain('\nunset ALLOWED_PATHS\n')
    expect(await checkAt(sim, { ...given, ...settings })).toMatchObject({ code: 0, settings: {} })
  })

  test('the shell lines set the same values, also with quotes and backslashes', async () => {
    const [, , rejectionResult] = VALUES.rejectionResult
    const { sim } = await openIsales({ switches: { rejection: 'result', rejectionResult } })
    const { stderr, settings } = await checkAt(sim)
    const script = `${stderr.match(/^export .*\n/gm)?.join('')}env`
    const env = execFileSync('sh', ['-c', script], { env: {}, encoding: 'utf8' })
    const ISALES_REJECTED = `401,403,result=${rejectionResult}`
    expect(settings).toEqual({ ISALES_REJECTED })
    expect(env).toContain(`ISALES_REJECTED=${ISALES_REJECTED}\n`)
  })

  test.each<readonly [Partial<Switches>, number, readonly string[], Environment]>([
    [{ rejection: 'result', rejectionResult: 0 }, 0, ['check-blind'], {}],
    // The output must not repeat the password.
    [{ rejection: 'result', rejectionResult: 'simulated-password' }, 0, ['check-blind'], {}],
    [{ acceptHeaders: ['X-Token'] }, 4, ['token-rejected'], {}],
    [{}, 0, [], { ISALES_REFRESH_PATH: 'off' }],
  ])('for %j it exits with %j and warns of %j', async (switches, code, codes, env) => {
    const { sim } = await openIsales({ switches })
    const ran = await checkAt(sim, env)
    expect([ran.code, ran.codes, ran.settings]).toEqual([code, codes, {}])
  })

  const GRANTED = { token: 'token-4711', tokenExpirationTime: 300, refreshToken: 'refresh-4711' }
  /** An iSales that names these paths, and rejects another token in this way. */
  const checkWith = async (named: object, status: number, body: string, more: Environment = {}) => {
    const { url, close } = await serveHttp((request, response) => {
      const isInvalid = request.headers.authorization?.endsWith(GRANTED.token) === false
      const resultData = request.url?.endsWith('login') === true ? GRANTED : named
      response.writeHead(isInvalid ? status : 200, { location: '/login' })
      response.end(isInvalid ? body : JSON.stringify({ result: 0, resultData }))
    })
    onTestFinished(close)
    const env = { ISALES_URL: url, ISALES_USER: 'obs', ISALES_PASSWORD: 'password', ...more }
    return runHere(['check', '--live', '--quiet'], { env })
  }

  test.each([
    [302, ''],
    [200, '<html>'],
    // The setting takes no space at an end.
    [200, '{"result":"7 "}'],
  ])('never proposes for ISALES_REJECTED what it does not accept: %i %j', async (status, body) => {
    const { code, stdout, stderr } = await checkWith({}, status, body)
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toMatch(/status from 400 to 499, or with a result of its own.*\[check-blind\]/)
  })

  test.each<{ named: object; setting: string; why: string; env?: Environment }>([
    {
      named: { getTask: `http://isales.example${ALLOWED}x` },
      setting: 'ISALES_URL=http://isales.example',
      why: 'http-not-allowed',
    },
    {
      named: { refreshToken: `${ALLOWED}auth/login` },
      setting: `ISALES_REFRESH_PATH=${ALLOWED}auth/login`,
      why: 'same-path',
    },
    // No entry may occur twice, in any case.
    {
      named: { getTask: '/obs/' },
      setting: `ALLOWED_PATHS=${ALLOWED},/Obs/,/obs/`,
      why: 'not-accepted',
      env: { ALLOWED_PATHS: `${ALLOWED},/Obs/` },
    },
  ])('instead of $setting it prints why: $why', async ({ named, setting, why, env }) => {
    const { code, stdout, stderr } = await checkWith(named, 401, '', env)
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toMatch(new RegExp(`^Warning: .*Setting: ${setting}[.;].*\\[${why}\\]$`, 'm'))
  })

  test('a status is added to ISALES_REJECTED, also after a result', async () => {
    const { sim } = await openIsales({ switches: { rejection: 410 } })
    const { settings } = await checkAt(sim, { ISALES_REJECTED: '401,result=7' })
    expect(settings).toEqual({ ISALES_REJECTED: '401,result=7,410' })
  })

  test('a failed refresh is a warning', async () => {
    const { sim } = await openIsales()
    sim.failRefresh({ status: 403, times: 'always' })
    expect(await checkAt(sim)).toMatchObject({ code: 0, codes: ['refresh-rejected'] })
  })

  test('ISALES_URL is to be the host that iSales names', async () => {
    const { sim } = await openIsales({ switches: { absoluteUrls: true } })
    const { port } = new URL(sim.origin)
    const given = { ISALES_URL: `http://localhost:${port}` }
    const { code, settings } = await checkAt(sim, given)
    expect([code, settings]).toEqual([2, { ISALES_URL: sim.origin }])
  })
})

/** Replaces the time and durations, and removes headers that all responses have. */
const plain = (transcript: string) =>
  transcript
    .replaceAll(/^\* \d{4}-\d\d-\d\dT[\d:.]+Z$/gm, '* TIME')
    .replaceAll(/^< Date: \w{3}, [\w :]+ GMT\n/gm, '')
    .replaceAll(/^< content-length, Connection, Keep-Alive\n/gm, '')
    .replaceAll(/\b\d+ ms/g, '1 ms')

test('check --live --trace prints every exchange: names, standard reasons, shapes and lengths', async () => {
  const { sim } = await openIsales()
  sim.failRefresh({ status: 503, retryAfter: 7, body: '<html>', contentType: 'text/html' })
  const { transcript } = await checkAt(sim)
  const [login, call, invalid, refresh] = plain(transcript).split('* TIME\n').slice(1)
  const [opening, names] = [`> POST ${ALLOWED}auth/`, '> Host, Connection, Content-Type, Accept, ']
  expect(login).toBe(
    [
      `${opening}login`,
      `${names}Content-Length`,
      '> {"user":<user>,"passwd":<password>}',
      '< 200 OK',
      '< content-type: application/json;charset=UTF-8',
      '< {"result":0,"resultData":{"token":string(35),"tokenExpirationTime":300,"refreshToken":string(35),"refreshExpirationTime":3600}}',
      '* 1 ms, <token>, <refreshToken>\n',
    ].join('\n'),
  )
  for (const line of [
    '> Authentication: Bearer <token>',
    '> {"refreshToken":<refreshToken>}',
    '< 503 Service Unavailable',
    '< retry-after: 7',
    '< text/html(6)',
  ])
    expect(refresh).toContain(`${line}\n`)
  expect(call).toContain('> Authorization: Bearer <token>\n')
  expect(call).toContain('"version":310,"refreshToken":string(40),')
  expect(invalid).toContain('> Authorization: Bearer <invalid token>\n')
})

test('check --live --trace names a connection that failed, and whether anything was sent', async () => {
  const { sim } = await openIsales()
  await sim.down()
  expect(plain((await checkAt(sim)).transcript)).toMatch(/\* \S+, ECONNREFUSED, not sent, 1 ms$/m)
})
