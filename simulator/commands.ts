import { z } from 'zod'
import type { Accounts } from './accounts.ts'
import {
  OPERATIONS,
  RESET_POINTS,
  type Fault,
  type Faults,
  type SimulatedOperation,
} from './faults.ts'
import { HTML_PAGE } from './response.ts'
import type { Switches } from './switches.ts'

/** Values that are not tokens, or not allowed in a header. */
const BAD_TOKENS = {
  crlf: 'good\r\nX-Injected: yes',
  'non-ascii': 'täuschung',
  number: 12_345,
  empty: '',
  space: 'two words',
  nul: 'a\u0000b',
  object: { token: 'nested' },
  null: null,
  long: 'x'.repeat(20_000),
  missing: undefined,
} as const satisfies Record<string, unknown>
type BadToken = keyof typeof BAD_TOKENS

const limits = {
  times: z.union([z.literal('always'), z.int().positive()]).optional(),
  seconds: z.number().positive().optional(),
}
const where = { operation: z.enum(OPERATIONS), ...limits }
const failure = {
  status: z.int().min(200).max(599),
  body: z.unknown().optional(),
  contentType: z.string().optional(),
  retryAfter: z.union([z.string(), z.number()]).optional(),
  executed: z.boolean().optional(),
  ...limits,
}
const nothing = z.strictObject({})

/** The argument of each command. */
export const COMMANDS = {
  /** Changed switches. */
  set: z.looseObject({}),
  revoke: nothing,
  revokeRefresh: nothing,
  wrongPassword: z.strictObject({ password: z.string().optional() }),
  unlock: nothing,
  failLogin: z.strictObject(failure),
  failRefresh: z.strictObject(failure),
  failBusiness: z.strictObject(failure),
  hang: z.strictObject(where),
  release: nothing,
  blackHole: z.strictObject(limits),
  reset: z.strictObject({ ...where, at: z.enum(RESET_POINTS).optional() }),
  slow: z.strictObject({ ...where, ms: z.number().min(0) }),
  html: z.strictObject({ ...where, status: failure.status.optional() }),
  hugeBody: z.strictObject(where),
  truncatedJson: z.strictObject(where),
  redirect: z.strictObject({ ...where, location: z.string().optional() }),
  answerLogin: z.strictObject({ ...failure, status: failure.status.optional() }),
  badToken: z.strictObject({
    kind: z.custom<BadToken>((kind) => Object.hasOwn(BAD_TOKENS, String(kind))),
    operation: z.enum(['login', 'refresh']).optional(),
    ...limits,
  }),
  adopt: z.strictObject({ token: z.string() }),
  clear: nothing,
  disconnect: nothing,
  down: nothing,
  up: nothing,
} as const

type Input<Name extends keyof typeof COMMANDS> = Readonly<z.infer<(typeof COMMANDS)[Name]>>

/**
 * Every fault and change; the control port has each as `POST /control/<name>` with the argument as
 * JSON. `times` is the number of responses in a row that a fault spoils: 1 unless given, `always`
 * until `clear`. `seconds` ends it by time.
 */
export interface Commands {
  set(changes: Partial<Switches>): void
  /** Ends every token, but no refresh token; returns the number of valid tokens. */
  revoke(): number
  revokeRefresh(): number
  /** Changes the account's password, so that the current one is wrong. */
  wrongPassword(change?: Input<'wrongPassword'>): void
  unlock(): void
  /**
   * `body`: a text is sent as it is, anything else as JSON; default `{"result": <status>}`.
   * `executed`: whether the call is executed all the same; default for a business call yes, unless
   * the status is 401 or 403, for a login or a refresh no.
   */
  failLogin(failure: Input<'failLogin'>): void
  failRefresh(failure: Input<'failRefresh'>): void
  failBusiness(failure: Input<'failBusiness'>): void
  /** Executes the call and sends no response. */
  hang(where: Input<'hang'>): void
  /** Sends every hanging response; returns their number. */
  release(): number
  /** Neither executes calls of any operation nor responds. */
  blackHole(limits: Input<'blackHole'>): void
  /** Executes the call and loses the connection; default `before-head`. */
  reset(where: Input<'reset'>): void
  /** Sends the response after `ms` milliseconds. */
  slow(where: Input<'slow'>): void
  /** Responds with a gateway's web page instead of JSON; the default status is 200. Executes nothing. */
  html(where: Input<'html'>): void
  hugeBody(where: Input<'hugeBody'>): void
  truncatedJson(where: Input<'truncatedJson'>): void
  redirect(where: Input<'redirect'>): void
  /** A 200 (or another status) with this body. No session begins. */
  answerLogin(response: Input<'answerLogin'>): void
  /** Grants a login or a refresh with an invalid token. */
  badToken(what: Input<'badToken'>): void
  /** Makes a token valid that no login returned. */
  adopt(what: Input<'adopt'>): void
  /** Cancels every pending fault. */
  clear(): void
  /** Destroys every open connection; returns their number. */
  disconnect(): number
  /** Stops listening and destroys every connection, like a stopped server. */
  down(): Promise<void>
  /** Listens on the same port again. */
  up(): Promise<void>
}

interface CommandsOptions extends Pick<Commands, 'set' | 'release' | 'disconnect' | 'down' | 'up'> {
  readonly accounts: Accounts
  readonly faults: Faults
}

const JSON_TYPE = 'application/json;charset=UTF-8'

export function createCommands({ accounts, faults, ...others }: CommandsOptions): Commands {
  const fail = (operation: SimulatedOperation) => (failure: Input<'failBusiness'>) => {
    const { status } = failure
    const executed = operation === 'business' && status !== 401 && status !== 403
    faults.add(operation, respond({ executed, ...failure }), failure)
  }
  const page = { body: HTML_PAGE, contentType: 'text/html', executed: false }

  return {
    ...others,
    revoke: () => accounts.revoke(),
    revokeRefresh: () => accounts.revokeRefresh(),
    wrongPassword: ({ password = 'changed-by-the-simulator' } = {}) => others.set({ password }),
    unlock: () => accounts.unlock(),
    failLogin: fail('login'),
    failRefresh: fail('refresh'),
    failBusiness: fail('business'),
    hang: (where) => faults.add(where.operation, { kind: 'hang' }, where),
    blackHole(limits) {
      for (const operation of OPERATIONS) faults.add(operation, { kind: 'ignore' }, limits)
    },
    reset: (where) =>
      faults.add(where.operation, { kind: 'reset', at: where.at ?? 'before-head' }, where),
    slow: (where) => faults.add(where.operation, { kind: 'slow', ms: where.ms }, where),
    html: ({ status = 200, ...where }) =>
      faults.add(where.operation, respond({ status, ...page }), where),
    hugeBody: (where) => faults.add(where.operation, { kind: 'huge' }, where),
    truncatedJson: (where) => faults.add(where.operation, { kind: 'truncated' }, where),
    redirect: ({ location = '/elsewhere', ...where }) => {
      const headers = { location }
      const redirection = { kind: 'respond', status: 302, headers, body: '', executed: false }
      faults.add(where.operation, redirection as Fault, where)
    },
    answerLogin: ({ status = 200, ...response }) => fail('login')({ status, ...response }),
    badToken: ({ kind, operation = 'login', ...limits }) =>
      faults.add(operation, { kind: 'bad-token', token: BAD_TOKENS[kind] }, limits),
    adopt: ({ token }) => accounts.adopt(token),
    clear: () => faults.clear(),
  }
}

function respond(failure: Input<'failBusiness'>): Fault {
  const { status, contentType = JSON_TYPE, retryAfter, executed = false } = failure
  const body = 'body' in failure ? failure.body : { result: status }
  return {
    kind: 'respond',
    status,
    headers: {
      'content-type': contentType,
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    },
    body: typeof body === 'string' ? body : (JSON.stringify(body) ?? ''),
    executed,
  }
}
