import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BASE_PATH, ECHO_PATH, INTERFACE_PATHS, UPLOAD_PATH } from '../../simulator/index.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { makeCertificates } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { loggedIn, simulate } from './caller.ts'

const RESULT = { subCCNo: 1, vdnId: 1, serviceId: 12_345, uniqueId: 'u1' }

describe('business calls', () => {
  it.each([
    ['/business/interface', { version: 311 }, { version: 310, ...INTERFACE_PATHS }],
    ['/business/tasks', {}, { taskData: [{ serviceId: '12345' }, { serviceId: '12346' }] }],
    ['/business/isholiday', { holidayId: 'h1' }, { isHoliday: '1' }],
    ['/business/isholiday', { holidayId: 'h0' }, { isHoliday: '0' }],
    ['/business/call/result', RESULT, undefined],
    ['/business/push/midresult', RESULT, undefined],
    ['/business/push/taskstatus', {}, undefined],
  ])('%s responds as published', async (path, body, resultData) => {
    const { business, token } = await loggedIn()
    const { status, json } = await business(BASE_PATH + path, token, body)
    expect(status).toBe(200)
    expect(json).toEqual(resultData === undefined ? { result: 0 } : { result: 0, resultData })
  })

  it('interface gives URLs when switched so', async () => {
    const { business, sim, token } = await loggedIn({ switches: { absoluteUrls: true } })
    const { json } = await business(`${BASE_PATH}/business/interface`, token, { version: 311 })
    expect(json.resultData?.['getTask']).toBe(`${sim.origin}${INTERFACE_PATHS.getTask}`)
  })

  it('callnos hands out each number once', async () => {
    const { business, sim, token } = await loggedIn()
    const ask = { subCCNo: 1, vdnId: 1, serviceId: 12_345, batchCount: 50 }
    const { json } = await business(INTERFACE_PATHS.getUserData, token, ask)
    await business(INTERFACE_PATHS.getUserData, token, ask)
    expect(json.resultData?.['userData']).toHaveLength(50)
    expect(json.resultData).toHaveProperty('userData.0', {
      version: 1,
      seviceId: 12_345,
      uniqueId: 'u00000001',
      phoneNumber: ['008613900000001'],
      callData: 'customer 1',
      callerNumber: '00861001',
      ieData: '',
    })
    expect([...sim.handedOut().values()]).toEqual(Array.from({ length: 100 }, () => 1))
    expect(sim.state().callnos).toBe(100)
  })

  it.each([
    ['a batch of none', INTERFACE_PATHS.getUserData, { batchCount: 0 }],
    ['a batch that is no number', INTERFACE_PATHS.getUserData, { batchCount: 'many' }],
    ['a batch over 1,000', INTERFACE_PATHS.getUserData, { batchCount: 1001 }],
    ['a result without uniqueId', INTERFACE_PATHS.pushCallOutRlt, {}],
    ['a list', INTERFACE_PATHS.getTask, []],
    ['a body over 1 MiB', INTERFACE_PATHS.getTask, { padding: 'x'.repeat(1024 * 1024) }],
  ])('%s is a 400', async (_, path, body) => {
    const { business, token } = await loggedIn()
    expect((await business(path, token, body)).status).toBe(400)
  })

  it.each([[`${BASE_PATH}/business/nothing`], ['/elsewhere'], ['/']])(
    '%s is a 404',
    async (path) => {
      const { granted, business } = await simulate()
      const { token } = await granted()
      expect((await business(path, token, {})).status).toBe(404)
    },
  )

  it('records what was executed, and counts what was executed twice', async () => {
    const { business, sim, token } = await loggedIn()
    await business(INTERFACE_PATHS.pushCallOutRlt, 'bad', RESULT)
    await business(INTERFACE_PATHS.pushCallOutRlt, token, RESULT)
    await business(INTERFACE_PATHS.pushMidRlt, token, RESULT)
    expect(sim.state()).toMatchObject({ business: 2, businessRejected: 1, duplicates: 0 })
    await business(INTERFACE_PATHS.pushCallOutRlt, token, RESULT)
    expect(sim.state()).toMatchObject({ results: 2, midResults: 1, duplicates: 1 })
    expect(sim.results().get('u1')).toEqual({ results: 2, midResults: 1 })
    expect(sim.executions('u1')).toBe(3)
    expect(sim.executions('u2')).toBe(0)
    const [first] = sim.requests()
    expect(first).toMatchObject({
      number: 1,
      method: 'POST',
      url: INTERFACE_PATHS.pushCallOutRlt,
      id: 'u1',
      bodyBytes: JSON.stringify(RESULT).length,
    })
    expect(first?.rawHeaders).toContain(`Bearer ${token}`)
  })

  it.each([
    [401, 'json', '{"result":401}'],
    [403, 'html', expect.stringContaining('<html>')],
    [403, 'empty', ''],
  ] as const)('refuses the forbidden path with %i, %s, whatever its token', async (...row) => {
    const [forbiddenStatus, forbiddenBody, text] = row
    const forbiddenPath = 'business/tasks'
    const switches = { forbiddenPath, forbiddenStatus, forbiddenBody }
    const { tasks, business, sim, token } = await loggedIn({ switches })
    expect(await tasks(token)).toMatchObject({ status: forbiddenStatus, text })
    expect((await tasks('bad')).status).toBe(forbiddenStatus)
    expect((await business(INTERFACE_PATHS.getHoliDay, token, {})).status).toBe(200)
    expect(sim.state()).toMatchObject({ forbidden: 2, business: 1, businessRejected: 0 })
  })

  it('shows the token in a header and in the body when switched so', async () => {
    const { tasks, token } = await loggedIn({ switches: { echoToken: true } })
    const { header, json } = await tasks(token)
    expect([header('x-echo-token'), json['echo']]).toEqual([token, token])
  })

  it.each([
    ['off', 'gzip', null],
    ['accepted', 'gzip', 'gzip'],
    ['accepted', 'identity', null],
    ['always', 'identity', 'gzip'],
  ] as const)('with gzip %s and Accept-Encoding %s is coded %s', async (gzip, accept, coding) => {
    const { sim, token } = await loggedIn({ switches: { gzip: 'off' } })
    sim.set({ gzip })
    const response = await fetch(sim.origin + INTERFACE_PATHS.getTask, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'accept-encoding': accept },
      body: '{}',
    })
    expect(response.headers.get('content-encoding')).toBe(coding)
    expect(await response.json()).toMatchObject({ result: 0 })
  })

  it('waits before each response as long as `latency` says', async () => {
    const { login } = await simulate({ switches: { latency: 50 } })
    const before = performance.now()
    await login()
    expect(performance.now() - before).toBeGreaterThan(45)
  })
})

describe('the paths for tests', () => {
  it('echo streams as many bytes as the query asks for, with and without a length', async () => {
    const { granted, sim } = await simulate()
    const headers = `Host: x\r\nAuthorization: Bearer ${(await granted()).token}\r\n\r\n`
    const ask = (line: string, method = 'GET') =>
      exchangeRaw(sim, `${method} ${ECHO_PATH}${line} HTTP/1.1\r\n${headers}`, { method })
    const long = await ask('?bytes=200001&id=a')
    expect([long.framing, long.body.length]).toEqual(['length', 200_001])
    const chunked = await ask('?bytes=70000&chunked=1')
    expect([chunked.framing, chunked.body.length]).toEqual(['chunked', 70_000])
    const head = await ask('?bytes=5', 'HEAD')
    expect([head.header('content-length'), head.body.length]).toEqual(['5', 0])
    expect((await ask('?status=204')).status).toBe(204)
    expect(await ask('?bytes=0')).toMatchObject({ status: 200, text: '' })
    expect(sim.executions('a')).toBe(1)
  })

  it('echo needs a good token, too', async () => {
    const { sim } = await simulate()
    const request = `GET ${ECHO_PATH}?bytes=5 HTTP/1.1\r\nHost: x\r\n\r\n`
    expect(await exchangeRaw(sim, request)).toMatchObject({ status: 401 })
    expect(sim.state()).toMatchObject({ business: 0, businessRejected: 1 })
  })

  it.each([['bytes=-1'], ['bytes=x'], ['bytes=1e99'], ['status=100'], ['status=x']])(
    'echo refuses ?%s with 400',
    async (query) => {
      const { granted, sim } = await simulate()
      const header = `Authorization: Bearer ${(await granted()).token}`
      const request = `GET ${ECHO_PATH}?${query} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`
      expect(await exchangeRaw(sim, request)).toMatchObject({ status: 400 })
    },
  )

  it('echo notices a client that goes away in the middle', async () => {
    const { granted, sim } = await simulate()
    const client = await connectRaw(sim)
    const header = `Authorization: Bearer ${(await granted()).token}`
    client.pause()
    await client.send(`GET ${ECHO_PATH}?bytes=99000000 HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`)
    await until(() => sim.state().business === 1)
    client.destroy()
    expect(await until(() => sim.state().aborted === 1)).toBe(true)
  })

  it('upload counts and hashes a body of any size', async () => {
    const { granted, sim } = await simulate()
    const body = Buffer.alloc(3_000_000, 'abc')
    const response = await fetch(`${sim.origin}${UPLOAD_PATH}?sha256=1&id=up`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${(await granted()).token}` },
      body,
    })
    const sha256 = createHash('sha256').update(body).digest('hex')
    expect(await response.json()).toEqual({ result: 0, resultData: { bytes: 3_000_000, sha256 } })
    expect(sim.requests()[0]).toMatchObject({ id: 'up', bodyBytes: 3_000_000 })
  })
})

describe('the listener', () => {
  it('counts how many logins were in flight', async () => {
    const { login, sim } = await simulate({ switches: { latency: 500 } })
    await Promise.all([login(), login(), login()])
    await login()
    expect(sim.state()).toMatchObject({ maxInFlight: 3, inFlight: 0, loginAttempts: 4 })
  })

  it('speaks HTTPS, and can require a certificate of the client', async () => {
    const { ca, server, client } = makeCertificates()
    const { sim } = await simulate({ tls: { ...server, ca: ca.cert, requestCert: true } })
    const request = `GET /x HTTP/1.1\r\nHost: x\r\n\r\n`
    const tls = { ca: ca.cert }
    expect(sim.origin).toMatch(/^https:/)
    expect(await exchangeRaw({ ...sim, tls: { ...tls, ...client } }, request)).toMatchObject({
      status: 404,
    })
    await expect(exchangeRaw({ ...sim, tls }, request)).rejects.toThrow('broke in the head')
  })

  it('is gone while it is down, and is back at the same port', async () => {
    const { login, sim } = await simulate()
    await login()
    await sim.down()
    await sim.down()
    expect(sim.state().sockets).toBe(0)
    await expect(login()).rejects.toThrow('ECONNREFUSED')
    await sim.up()
    expect((await login()).status).toBe(200)
  })

  it('can drop every connection', async () => {
    const { sim } = await simulate()
    const client = await connectRaw(sim)
    await until(() => sim.state().sockets === 1)
    expect(sim.disconnect()).toBe(1)
    await client.closed()
    expect(sim.state()).toMatchObject({ sockets: 0, connections: 1 })
  })

  it('closes an idle connection when its time is over', async () => {
    const { sim } = await simulate({ switches: { keepAlive: 50 } })
    const client = await connectRaw(sim)
    await client.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
    await client.read()
    expect(await client.closed(3000)).toMatchObject({ reset: false })
  })
})
