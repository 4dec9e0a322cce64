import type { Accounts } from './accounts.ts'
import type { Delivery } from './delivery.ts'
import type { Fault, Faults, ResetPoint, SimulatedOperation } from './faults.ts'
import { checkSwitches, type Switches } from './switches.ts'

/** How many answers in a row; 1 unless said, `always` until `clear`. */
interface Times {
  readonly times?: number | 'always'
}
interface Where extends Times {
  readonly operation: SimulatedOperation
}
/** The answer of a call that fails. */
export interface Failure extends Times {
  readonly status: number
  /** A text is sent as it is, anything else as JSON. Default: `{"result": <status>}`. */
  readonly body?: unknown
  readonly contentType?: string
  /** The `Retry-After` field. */
  readonly retryAfter?: string | number
  /**
   * Whether the call is carried out all the same. Default: a business call is, unless the status is 401 or 403; a
   * login or a refresh is not.
   */
  readonly executed?: boolean
}

/** Tokens that cannot stand in a header field, or are none. */
export const BAD_TOKENS = {
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
export type BadToken = keyof typeof BAD_TOKENS

/** Every fault and change; the control port has each as `POST /control/<name>` with the argument as JSON. */
export interface Commands {
  set(changes: Partial<Switches>): void
  /** Ends every token; answers how many were good. Refresh tokens stay. */
  revoke(): number
  revokeRefresh(): number
  /** Changes the password of the account, so that the one in use is wrong. */
  wrongPassword(change?: { readonly password?: string }): void
  unlock(): void
  failLogin(failure: Failure): void
  failRefresh(failure: Failure): void
  failBusiness(failure: Failure): void
  /** Carries the call out and never answers. */
  hang(where: Where): void
  /** Sends every answer that hangs; answers how many. */
  release(): number
  /** Carries the call out and loses the connection; before the head of the answer unless said. */
  reset(where: Where & { readonly at?: ResetPoint }): void
  slow(where: Where & { readonly ms: number }): void
  /** A 200 with a page where JSON belongs, as a gateway answers; the call is not carried out. */
  html(where: Where): void
  hugeBody(where: Where): void
  truncatedJson(where: Where): void
  redirect(where: Where & { readonly location?: string }): void
  /** A 200 (or another status) with this body; a text is sent as it is, anything else as JSON. No session begins. */
  answerLogin(answer: Omit<Failure, 'status'> & { readonly status?: number }): void
  /** A login (or a refresh) that succeeds with a token that is none. */
  badToken(
    what: Times & { readonly kind: BadToken; readonly operation?: 'login' | 'refresh' },
  ): void
  /** Makes a token good that no login answered. */
  adopt(what: { readonly token: string }): void
  /** Takes back every fault that waits. */
  clear(): void
  /** Destroys every open connection; answers how many. */
  disconnect(): number
  /** Stops listening and destroys every connection, as a server that is gone does. */
  down(): Promise<void>
  /** Listens on the same port again. */
  up(): Promise<void>
}

interface CommandsOptions {
  readonly accounts: Accounts
  readonly faults: Faults
  readonly delivery: Delivery
  readonly change: (changes: Partial<Switches>) => void
  readonly listener: Pick<Commands, 'disconnect' | 'down' | 'up'>
}

const JSON_TYPE = 'application/json;charset=UTF-8'
const HTML_PAGE: Failure = {
  status: 200,
  body: '<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>',
  contentType: 'text/html',
}

export function createCommands(options: CommandsOptions): Commands {
  const { accounts, faults, delivery, change, listener } = options

  const add = (operation: SimulatedOperation, fault: Fault, { times = 1 }: Times = {}) =>
    faults.add(operation, fault, times === 'always' ? Infinity : times)
  const fail = (operation: SimulatedOperation) => (failure: Failure) => {
    const { status } = failure
    const executed = operation === 'business' && status !== 401 && status !== 403
    add(operation, failureAnswer({ executed, ...failure }), failure)
  }

  return {
    set: (changes) => change(checkSwitches({ ...changes })),
    revoke: () => accounts.revoke(),
    revokeRefresh: () => accounts.revokeRefresh(),
    wrongPassword: ({ password = 'changed-by-the-simulator' } = {}) => change({ password }),
    unlock: () => accounts.unlock(),
    failLogin: fail('login'),
    failRefresh: fail('refresh'),
    failBusiness: fail('business'),
    hang: (where) => add(where.operation, { kind: 'hang' }, where),
    release: () => delivery.release(),
    reset: (where) => add(where.operation, { kind: 'reset', at: where.at ?? 'before-head' }, where),
    slow: (where) => add(where.operation, { kind: 'slow', ms: where.ms }, where),
    html: (where) => add(where.operation, failureAnswer(HTML_PAGE), where),
    hugeBody: (where) => add(where.operation, { kind: 'huge' }, where),
    truncatedJson: (where) => add(where.operation, { kind: 'truncated' }, where),
    redirect: (where) => {
      const location = where.location ?? '/elsewhere'
      add(where.operation, answer({ status: 302, headers: { location }, executed: false }), where)
    },
    answerLogin: (given) => fail('login')({ status: 200, ...given }),
    badToken: ({ kind, operation = 'login', ...times }) =>
      add(operation, { kind: 'bad-token', token: BAD_TOKENS[kind] }, times),
    adopt: ({ token }) => accounts.adopt(token),
    clear: () => faults.clear(),
    disconnect: () => listener.disconnect(),
    down: () => listener.down(),
    up: () => listener.up(),
  }
}

function failureAnswer(failure: Failure): Fault {
  const { status, contentType = JSON_TYPE, retryAfter } = failure
  const body = 'body' in failure ? failure.body : { result: status }
  return answer({
    status,
    headers: {
      'content-type': contentType,
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    },
    body: typeof body === 'string' ? body : (JSON.stringify(body) ?? ''),
    executed: failure.executed ?? false,
  })
}

function answer(given: {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly executed: boolean
}): Fault {
  return { kind: 'answer', body: '', ...given }
}
