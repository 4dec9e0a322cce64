import type { Ledger } from './ledger.ts'

/** The base path of every call. */
export const BASE_PATH = '/rest/isales/v1/openapi/obs'

export const LOGIN_PATH = `${BASE_PATH}/auth/login`

/** Paths of the calls, by the names that `business/interface` gives them. */
export const INTERFACE_PATHS = {
  refreshToken: `${BASE_PATH}/auth/refresh`,
  getTask: `${BASE_PATH}/business/tasks`,
  getUserData: `${BASE_PATH}/business/callnos`,
  getHoliDay: `${BASE_PATH}/business/isholiday`,
  pushCallOutRlt: `${BASE_PATH}/business/call/result`,
  pushMidRlt: `${BASE_PATH}/business/push/midresult`,
  pushTaskStatus: `${BASE_PATH}/business/push/taskstatus`,
} as const
export const REFRESH_PATH = INTERFACE_PATHS.refreshToken

/** `resultData`, if there is any; undefined if the call is invalid (400). */
export type BusinessOutcome = { readonly data?: Readonly<Record<string, unknown>> } | undefined
type Body = Readonly<Record<string, unknown>>
export type BusinessCall = (body: Body) => BusinessOutcome

interface BusinessOptions {
  readonly ledger: Ledger
  /** How `business/interface` names a path of the interface. */
  readonly nameOf: (path: string) => string
}

const MAX_BATCH = 1000

/** The business calls, by path. */
export function createBusiness({
  ledger,
  nameOf,
}: BusinessOptions): ReadonlyMap<string, BusinessCall> {
  let handedOut = 0

  const describeInterface: BusinessCall = () => ({
    data: {
      version: 310,
      ...Object.fromEntries(
        Object.entries(INTERFACE_PATHS).map(([name, path]) => [name, nameOf(path)]),
      ),
    },
  })

  const tasks: BusinessCall = () => ({
    data: { taskData: [{ serviceId: '12345' }, { serviceId: '12346' }] },
  })

  const callnos: BusinessCall = ({ serviceId, batchCount }) => {
    const wanted = Number(batchCount ?? 1)
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_BATCH) return undefined
    const records = Array.from({ length: wanted }, () => customer((handedOut += 1), serviceId))
    ledger.handOut(records.map(({ uniqueId }) => uniqueId))
    return { data: { userData: records } }
  }

  const isHoliday: BusinessCall = ({ holidayId }) => ({
    data: { isHoliday: String(holidayId).endsWith('1') ? '1' : '0' },
  })

  const write =
    (kind: 'results' | 'midResults'): BusinessCall =>
    ({ uniqueId }) => {
      if (typeof uniqueId !== 'string' || uniqueId === '') return undefined
      ledger.writeResult(uniqueId, kind)
      return {}
    }

  return new Map([
    [`${BASE_PATH}/business/interface`, describeInterface],
    [INTERFACE_PATHS.getTask, tasks],
    [INTERFACE_PATHS.getUserData, callnos],
    [INTERFACE_PATHS.getHoliDay, isHoliday],
    [INTERFACE_PATHS.pushCallOutRlt, write('results')],
    [INTERFACE_PATHS.pushMidRlt, write('midResults')],
    [INTERFACE_PATHS.pushTaskStatus, () => ({})],
  ])
}

/** A record to call; `seviceId` is spelled as in the interface. */
function customer(number: number, serviceId: unknown) {
  const digits = String(number).padStart(8, '0')
  return {
    version: 1,
    seviceId: serviceId ?? '12345',
    uniqueId: `u${digits}`,
    phoneNumber: [`0086139${digits}`],
    callData: `customer ${number}`,
    callerNumber: '00861001',
    ieData: '',
  }
}
