import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Accounts, Attempt } from './accounts.ts'
import { BASE_PATH, LOGIN_PATH, REFRESH_PATH, type BusinessCall } from './business.ts'
import type { Fault, Faults, SimulatedOperation } from './faults.ts'
import type { Ledger } from './ledger.ts'
import {
  cut,
  encode,
  json,
  parseObject,
  readBody,
  refusal,
  repeat,
  send,
  spoil,
  type PlainResponse,
} from './response.ts'
import { echo, ECHO_PATH } from './streams.ts'
import type { Refusal, Switches } from './switches.ts'

/** A request after the end of its response, without secrets. */
export interface SeenRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The value of `X-Call-Id`, by which tests follow a call. */
  readonly callId: string | undefined
  /** The header that carries the token. */
  readonly authorization: string | undefined
  /** 0 if none was sent. */
  readonly status: number
  /** The result, in a few words. */
  readonly note: string
  readonly durationMs: number
}

interface ServiceOptions {
  readonly switches: () => Switches
  readonly accounts: Accounts
  readonly faults: Faults
  readonly ledger: Ledger
  readonly business: ReadonlyMap<string, BusinessCall>
  readonly onRequest: (seen: SeenRequest) => void
}

/** Counts login and refresh requests that arrived, and requests that broke. */
export interface ServiceState {
  readonly loginAttempts: number
  readonly refreshAttempts: number
  /** Logins and refreshes in flight now. */
  readonly inFlight: number
  /** Requests whose response was not sent whole: given up by the client, or cut by a fault. */
  readonly aborted: number
  /** Currently hanging calls. */
  readonly hanging: number
}

interface Call {
  readonly request: IncomingMessage
  readonly path: string
  readonly query: URLSearchParams
  note: string
}

/** Handles one request of the interface: checks and executes it, and spoils its response by a fault. */
export function createService({
  switches,
  accounts,
  faults,
  ledger,
  business,
  onRequest,
}: ServiceOptions) {
  const hanging = new Map<ServerResponse, PlainResponse>()
  const counts = { loginAttempts: 0, refreshAttempts: 0, inFlight: 0, aborted: 0 }

  function handle(request: IncomingMessage, out: ServerResponse): void {
    const [sent = '', search = ''] = (request.url ?? '').split('?', 2)
    const { callsUnder } = switches()
    const moved = callsUnder !== null && sent.startsWith(`${callsUnder}/`)
    const path = moved ? `${BASE_PATH}${sent.slice(callsUnder.length)}` : sent
    const call: Call = { request, path, query: new URLSearchParams(search), note: '' }
    const startedAt = performance.now()
    out.once('close', () => {
      if (!out.writableFinished) counts.aborted += 1
      onRequest({
        method: request.method ?? '',
        path,
        callId: request.headers['x-call-id']?.toString(),
        authorization: (
          request.headers.authorization ?? request.headers['authentication']
        )?.toString(),
        status: out.headersSent ? out.statusCode : 0,
        note: call.note,
        durationMs: performance.now() - startedAt,
      })
    })
    // Only a client that has left causes an error here.
    respond(call, out).catch(() => out.destroy())
  }

  async function respond(call: Call, out: ServerResponse): Promise<void> {
    const { forbiddenPath, forbiddenStatus, forbiddenBody } = switches()
    const operation = operationOf(call.path)
    if (operation === undefined) return refuse(call, out, refused(404), 'not a path of iSales')
    if (isAt(call, forbiddenPath)) {
      ledger.counts.forbidden += 1
      const forbidden = refusal(forbiddenStatus, forbiddenBody, switches())
      return refuse(call, out, forbidden, 'forbidden path')
    }
    if (operation === 'business') return perform(call, out, operation)
    counts[operation === 'login' ? 'loginAttempts' : 'refreshAttempts'] += 1
    counts.inFlight += 1
    try {
      await perform(call, out, operation)
    } finally {
      counts.inFlight -= 1
    }
  }

  function refuse(call: Call, out: ServerResponse, response: PlainResponse, note: string) {
    call.note = note
    call.request.resume()
    return send(out, response)
  }

  async function perform(
    call: Call,
    out: ServerResponse,
    operation: SimulatedOperation,
  ): Promise<void> {
    const fault = faults.take(operation)
    if (fault?.kind === 'ignore') {
      call.note = 'ignored'
      call.request.resume()
      await once(out, 'close')
      return
    }
    const wait = switches().latency + (fault?.kind === 'slow' ? fault.ms : 0)
    if (wait > 0) await delay(wait)
    if (fault?.kind === 'respond' && !fault.executed) {
      const { status } = fault
      if (operation === 'business' && (status === 401 || status === 403))
        ledger.counts.businessRejected += 1
      return refuse(call, out, { ...fault, body: Buffer.from(fault.body) }, 'fault')
    }
    const executed =
      operation === 'business' ? await executeBusiness(call) : await authenticate(call, operation)
    if (fault !== undefined) call.note += `, fault ${fault.kind}`
    const { password, omit, repeatSecrets } = switches()
    const [token = '', refreshToken = ''] = accounts.issued.slice(-2)
    const granted = omit.includes('refreshToken') ? [token] : [token, refreshToken]
    const said = repeatSecrets ? repeat(executed, [password, ...granted]) : executed
    await deliver(out, encode(spoil(said, fault), call.request, switches()), fault)
  }

  async function deliver(
    out: ServerResponse,
    response: PlainResponse,
    fault: Fault | undefined,
  ): Promise<void> {
    if (fault?.kind === 'reset') return cut(out, response, fault.at)
    if (fault?.kind !== 'hang') return send(out, response)
    hanging.set(out, response)
    out.once('close', () => hanging.delete(out))
  }

  async function authenticate(call: Call, operation: 'login' | 'refresh'): Promise<PlainResponse> {
    const { request } = call
    const { loginRejection, refreshRejection, refreshBody, scheme } = switches()
    const text = (await readBody(request))?.toString() ?? ''
    const isBodyNeeded = operation === 'login' || refreshBody
    const body = parseObject(text) ?? (isBodyNeeded ? undefined : {})
    if (body === undefined || request.method !== 'POST') {
      call.note = 'no POST of a JSON object'
      return refused(400)
    }
    if (operation === 'login')
      return attempted(call, accounts.login(body['user'], body['passwd']), loginRejection)
    const headerToken = bearer(request.headers['authentication'], scheme)
    const refreshToken = refreshBody ? body['refreshToken'] : headerToken
    return attempted(call, accounts.refresh(refreshToken, headerToken), refreshRejection)
  }

  function attempted(call: Call, attempt: Attempt, rejection: Refusal): PlainResponse {
    if ('grant' in attempt) {
      call.note = 'token granted'
      return json(200, { result: 0, resultData: attempt.grant }, switches())
    }
    call.note = attempt.refused
    // 401 as published: "the account's status is not normal".
    return refused(attempt.refused === 'account locked' ? 401 : rejection)
  }

  async function executeBusiness(call: Call): Promise<PlainResponse> {
    const { request, path, query } = call
    if (!isAt(call, switches().publicPath) && tokenOf(call) === undefined) {
      ledger.counts.businessRejected += 1
      request.resume()
      return refused(switches().rejection)
    }
    call.note = 'served'
    if (path === ECHO_PATH) {
      request.resume()
      const response = echo(query)
      if (response === undefined) return refused(400)
      record(call, query.get('id') ?? undefined, 0)
      return response
    }
    return executeCall(call)
  }

  async function executeCall(call: Call): Promise<PlainResponse> {
    const { request, path } = call
    const bytes = await readBody(request)
    if (bytes === undefined) return refused(400)
    const body = parseObject(bytes.toString())
    record(call, idOf(body), bytes.length)
    const execute = request.method === 'POST' ? business.get(path) : undefined
    const outcome = body === undefined ? undefined : execute?.(body)
    if (outcome === undefined) {
      call.note = execute === undefined ? 'not a call of iSales' : 'wrong parameters'
      return refused(execute === undefined ? 404 : 400)
    }
    const { data } = outcome
    const members = { result: 0, ...(data === undefined ? {} : { resultData: data }) }
    return json(200, members, switches())
  }

  /** Returns the valid token of a business call, from any header that the switches accept. */
  function tokenOf(call: Call): string | undefined {
    const { acceptHeaders, edition, scheme } = switches()
    const names = acceptHeaders ?? [edition === 'english' ? 'authorization' : 'authentication']
    const tokens = names
      .map((name) => bearer(call.request.headers[name.toLowerCase()], scheme))
      .filter((token) => token !== undefined)
    if (tokens.length === 0) call.note = `no ${scheme} token in ${names.join(' or ')}`
    else if (tokens.some((token) => accounts.expired(token))) call.note = 'the token has expired'
    else call.note = 'the token is unknown, ended or not the one that is wanted'
    return tokens.find((token) => accounts.accepts(token))
  }

  function record({ request }: Call, id: string | undefined, bodyBytes: number): void {
    const { method = '', url = '', rawHeaders } = request
    ledger.record({ method, url, id, rawHeaders, bodyBytes })
  }

  function refused(how: Refusal): PlainResponse {
    const { rejectionResult, rejectionBody } = switches()
    if (how === 'result') return json(200, { result: rejectionResult }, switches())
    const isPublished = how === 400 || how === 404
    return refusal(how, isPublished ? 'json' : rejectionBody, switches())
  }

  return {
    handle,
    state: (): ServiceState => ({ ...counts, hanging: hanging.size }),
    /** Sends every response that hangs; returns how many. */
    release(): number {
      const responses = [...hanging]
      hanging.clear()
      for (const [out, response] of responses) send(out, response).catch(() => out.destroy())
      return responses.length
    },
  }
}

/** @param path the end of a path, as in a switch. */
function isAt(call: Call, path: string | null): boolean {
  return path !== null && call.path.endsWith(`/${path.replace(/^\//, '')}`)
}

function operationOf(path: string): SimulatedOperation | undefined {
  if (path === LOGIN_PATH) return 'login'
  if (path === REFRESH_PATH) return 'refresh'
  return path.startsWith(`${BASE_PATH}/`) ? 'business' : undefined
}

/** Returns the text after the scheme; undefined if the header is missing or has another scheme. */
function bearer(value: string | string[] | undefined, scheme: string): string | undefined {
  if (typeof value !== 'string' || scheme === '') return value?.toString()
  const prefix = `${scheme} `
  const isIt = value.toLowerCase().startsWith(prefix.toLowerCase())
  return isIt ? value.slice(prefix.length) : undefined
}

function idOf(body: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const id = body?.['uniqueId'] ?? body?.['id']
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined
}
