import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Accounts, Attempt } from './accounts.ts'
import { BASE_PATH, INTERFACE_PATHS, type BusinessCall } from './business.ts'
import type { Faults, SimulatedOperation } from './faults.ts'
import type { Ledger } from './ledger.ts'
import { deliver, spoil, type Delivery } from './delivery.ts'
import { answerEcho, countUpload, ECHO_PATH, parseEcho, UPLOAD_PATH } from './streams.ts'
import type { Refusal, Switches } from './switches.ts'
import { bearer, encode, parseObject, readBody, reply, send, type Reply } from './wire.ts'

export const LOGIN_PATH = `${BASE_PATH}/auth/login`
export const REFRESH_PATH = INTERFACE_PATHS.refreshToken

export interface ExchangeParts {
  readonly switches: () => Switches
  readonly accounts: Accounts
  readonly faults: Faults
  readonly ledger: Ledger
  readonly business: ReadonlyMap<string, BusinessCall>
  readonly delivery: Delivery
  readonly attempts: AttemptCounts
}

/** Login and refresh requests that arrived, whatever became of them. */
export interface AttemptCounts {
  loginAttempts: number
  refreshAttempts: number
  /** Logins and refreshes under way now, and the most there ever were at once. */
  underWay: number
  mostAtOnce: number
}

/** Bytes of an echo that is kept whole, because a fault spoils it. */
const LARGEST_SPOILT = 1024 * 1024
const NOTHING: Reply = { status: 200, headers: {}, body: Buffer.alloc(0) }

interface Call {
  readonly request: IncomingMessage
  readonly path: string
  readonly query: URLSearchParams
}

/** Answers one request of the interface: judge, carry out, and spoil the answer when a fault waits. */
export function createExchange(parts: ExchangeParts) {
  const { switches, accounts, faults, ledger, business, delivery, attempts } = parts

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', search = ''] = (request.url ?? '').split('?', 2)
    const call = { request, path, query: new URLSearchParams(search) }
    const operation = operationOf(path)
    if (operation === undefined) {
      request.resume()
      send(response, refusal(404))
      return
    }
    if (operation === 'business') return answerOne(call, response, operation)
    count(operation)
    try {
      await answerOne(call, response, operation)
    } finally {
      attempts.underWay -= 1
    }
  }

  async function answerOne(
    call: Call,
    response: ServerResponse,
    operation: SimulatedOperation,
  ): Promise<void> {
    const { request } = call
    const fault = faults.take(operation)
    const wait = switches().latency + (fault?.kind === 'slow' ? fault.ms : 0)
    if (wait > 0) await delay(wait)
    if (fault?.kind === 'answer' && !fault.executed) {
      if (operation === 'business' && isRejection(fault.status)) ledger.counts.businessRejected += 1
      request.resume()
      send(response, spoil(NOTHING, fault))
      return
    }
    const echo = call.path === ECHO_PATH ? parseEcho(call.query) : undefined
    const whole = fault === undefined || fault.kind === 'slow'
    if (echo !== undefined && whole && tokenOf(request) !== undefined) {
      execute(call, echo.id, 0)
      await answerEcho(request, response, echo)
      return
    }
    const made = spoil(await carryOut(call, operation), fault)
    await deliver(response, encode(made, request, switches()), { fault, delivery })
  }

  function carryOut(call: Call, operation: SimulatedOperation): Promise<Reply> {
    if (operation === 'business') return carryOutBusiness(call)
    return authenticate(call.request, operation)
  }

  async function authenticate(
    request: IncomingMessage,
    operation: 'login' | 'refresh',
  ): Promise<Reply> {
    const body = parseObject((await readBody(request))?.toString() ?? '')
    if (body === undefined || request.method !== 'POST') return refusal(400)
    const { loginRejection, refreshRejection, scheme } = switches()
    if (operation === 'login')
      return attempted(accounts.login(body['user'], body['passwd']), loginRejection)
    const named = bearer(request.headers['authentication'], scheme)
    return attempted(accounts.refresh(body['refreshToken'], named), refreshRejection)
  }

  function attempted({ judgement, data }: Attempt, rejection: Refusal): Reply {
    if (data !== undefined) return reply(200, { result: 0, resultData: { ...data } }, switches())
    // 401 as published: "the account's status is not normal".
    return refusal(judgement === 'locked' ? 401 : rejection)
  }

  async function carryOutBusiness(call: Call): Promise<Reply> {
    const { request, path, query } = call
    const token = tokenOf(request)
    if (token === undefined) {
      ledger.counts.businessRejected += 1
      request.resume()
      return refusal(switches().rejection)
    }
    if (path === ECHO_PATH) {
      const echo = parseEcho(query)
      request.resume()
      if (echo === undefined) return refusal(400)
      execute(call, echo.id, 0)
      const body = Buffer.alloc(Math.min(echo.bytes, LARGEST_SPOILT), 'x')
      return { status: echo.status, headers: {}, body }
    }
    if (path === UPLOAD_PATH) {
      const resultData = await countUpload(request, query)
      execute(call, query.get('id') ?? undefined, resultData.bytes)
      return reply(200, { result: 0, resultData }, switches())
    }
    return carryOutCall(call, token)
  }

  async function carryOutCall(call: Call, token: string): Promise<Reply> {
    const { request, path } = call
    const bytes = await readBody(request)
    if (bytes === undefined) return refusal(400)
    const body = parseObject(bytes.toString())
    execute(call, idOf(body), bytes.length)
    const perform = request.method === 'POST' ? business.get(path) : undefined
    const outcome = body === undefined ? undefined : perform?.(body)
    if (outcome === undefined) return refusal(perform === undefined ? 404 : 400)
    const { echoToken } = switches()
    const { data } = outcome
    const answer = {
      result: 0,
      ...(data === undefined ? {} : { resultData: data }),
      ...(echoToken ? { echo: token } : {}),
    }
    const made = reply(200, answer, switches())
    return echoToken ? { ...made, headers: { ...made.headers, 'x-echo-token': token } } : made
  }

  /** The good token that a business call carries, in any field where the switches accept one. */
  function tokenOf(request: IncomingMessage): string | undefined {
    const { acceptHeaders, edition, scheme } = switches()
    const fields = acceptHeaders ?? (edition === 'english' ? ['authorization'] : ['authentication'])
    return fields
      .map((field) => bearer(request.headers[field.toLowerCase()], scheme))
      .find((token) => token !== undefined && accounts.accepts(token))
  }

  function execute({ request }: Call, id: string | undefined, bodyBytes: number): void {
    const { method = '', url = '', rawHeaders } = request
    ledger.record({ method, url, id, rawHeaders, bodyBytes })
  }

  function refusal(how: Refusal): Reply {
    if (how === 'result') return reply(200, { result: switches().rejectionResult }, switches())
    return reply(how, { result: how }, switches())
  }

  function count(operation: 'login' | 'refresh'): void {
    attempts[operation === 'login' ? 'loginAttempts' : 'refreshAttempts'] += 1
    attempts.underWay += 1
    attempts.mostAtOnce = Math.max(attempts.mostAtOnce, attempts.underWay)
  }

  return answer
}

function operationOf(path: string): SimulatedOperation | undefined {
  if (path === LOGIN_PATH) return 'login'
  if (path === REFRESH_PATH) return 'refresh'
  return path.startsWith(`${BASE_PATH}/`) ? 'business' : undefined
}

function isRejection(status: number): boolean {
  return status === 401 || status === 403
}

function idOf(body: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const id = body?.['uniqueId'] ?? body?.['id']
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined
}
