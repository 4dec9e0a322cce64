/** What a field holds; anything else in it is dropped. */
interface FieldValues {
  readonly text: string
  readonly number: number
  readonly flag: boolean
  /** Whatever was thrown; it is reduced before it is written. */
  readonly error: unknown
}

interface FieldKind {
  readonly kind: keyof FieldValues
  readonly doc: string
}

/** All that a line may hold besides time, level, event and its sentence. What is not listed is never written. */
export const LOG_FIELDS = {
  version: { kind: 'text', doc: 'Version of this program.' },
  listener: { kind: 'text', doc: '`proxy` or `admin`.' },
  address: { kind: 'text', doc: 'Where it listens.' },
  setting: { kind: 'text', doc: 'The setting that the line is about.' },
  inFlight: { kind: 'number', doc: 'Requests under way.' },
  operation: { kind: 'text', doc: '`login` or `refresh`.' },
  generation: { kind: 'number', doc: 'Number of the token, counted from 1 since the start.' },
  lifetimeSeconds: { kind: 'number', doc: 'For how long the token was granted.' },
  durationMs: { kind: 'number', doc: 'How long the exchange or the request took.' },
  sameToken: { kind: 'flag', doc: 'iSales gave the token that we had.' },
  reason: { kind: 'text', doc: 'As the label `reason` of `isales_proxy_auth_failures_total`.' },
  status: { kind: 'number', doc: 'HTTP status; 0: the client left before an answer began.' },
  detail: { kind: 'text', doc: 'A sentence of ours or an error code; never text of an answer.' },
  failures: { kind: 'number', doc: 'Failed attempts in a row.' },
  backoff: { kind: 'text', doc: 'As the label `state` of `isales_proxy_auth_backoff_state`.' },
  retryInSeconds: { kind: 'number', doc: 'Until the next attempt.' },
  budgetSeconds: { kind: 'number', doc: 'How long requests go on working with the present token.' },
  holdOffSeconds: { kind: 'number', doc: 'For how long the next login is held off.' },
  requestId: { kind: 'text', doc: 'As in `X-Request-Id` and in the body of an error.' },
  method: { kind: 'text', doc: 'Of the request.' },
  path: { kind: 'text', doc: 'Of the request, without the query.' },
  code: { kind: 'text', doc: 'As the label `code` of `isales_proxy_request_errors_total`.' },
  error: {
    kind: 'error',
    doc: 'Name, code, and where it was thrown. Its message may quote what nobody should see, and is left out.',
  },
} as const satisfies Record<string, FieldKind>

export type LogFieldName = keyof typeof LOG_FIELDS

export type LogFields = {
  readonly [Name in LogFieldName]?: FieldValues[(typeof LOG_FIELDS)[Name]['kind']] | undefined
}

export function isLogField(name: string): name is LogFieldName {
  return Object.hasOwn(LOG_FIELDS, name)
}
