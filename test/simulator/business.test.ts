import { describe, expect, it } from 'vitest'
import { BASE_PATH, INTERFACE_PATHS } from '../../simulator/index.ts'
import { loggedIn } from './caller.ts'

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
  })

  it('are served without a look at the token under the public path, and under no other', async () => {
    const { business } = await loggedIn({ switches: { publicPath: 'business/tasks' } })
    expect(await business(INTERFACE_PATHS.getTask, 'bad', {})).toMatchObject({ status: 200 })
    expect(await business(INTERFACE_PATHS.pushMidRlt, 'bad', RESULT)).toMatchObject({ status: 401 })
  })

  it('are recorded when they are executed, and counted when they are executed twice', async () => {
    const { business, sim, token } = await loggedIn()
    await business(INTERFACE_PATHS.pushCallOutRlt, 'bad', RESULT)
    await business(INTERFACE_PATHS.pushCallOutRlt, token, RESULT)
    await business(INTERFACE_PATHS.pushMidRlt, token, RESULT)
    expect(sim.state()).toMatchObject({ business: 2, businessRejected: 1, duplicates: 0 })
    await business(INTERFACE_PATHS.pushCallOutRlt, token, RESULT)
    expect(sim.state()).toMatchObject({ results: 2, midResults: 1, duplicates: 1 })
    expect(sim.results().get('u1')).toEqual({ results: 2, midResults: 1 })
    expect([sim.executions('u1'), sim.executions('u2')]).toEqual([3, 0])
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
})
