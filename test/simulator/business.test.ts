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

  it('callnos returns every number once', async () => {
    const { business, sim, token } = await loggedIn()
    const ask = { subCCNo: 1, vdnId: 1, serviceId: 12_345, batchCount: 50 }
    const { json } = await business(INTERFACE_PATHS.getUserData, token, ask)
    await business(INTERFACE_PATHS.getUserData, token, ask)
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

  it('are recorded when they are executed, and counted if they are executed twice', async () => {
    const { business, sim, token } = await loggedIn()
    await business(INTERFACE_PATHS.pushCallOutRlt, 'bad', RESULT)
    for (const name of ['pushCallOutRlt', 'pushMidRlt', 'pushCallOutRlt'] as const)
      await business(INTERFACE_PATHS[name], token, RESULT)
    expect(sim.state()).toMatchObject({ business: 3, businessRejected: 1, duplicates: 1 })
    expect(sim.results().get('u1')).toEqual({ results: 2, midResults: 1 })
    expect([sim.executions('u1'), sim.executions('u2')]).toEqual([3, 0])
    const bodyBytes = JSON.stringify(RESULT).length
    const url = INTERFACE_PATHS.pushCallOutRlt
    const first = { number: 1, method: 'POST', url, id: 'u1', bodyBytes }
    expect(sim.requests()[0]).toMatchObject(first)
  })
})
