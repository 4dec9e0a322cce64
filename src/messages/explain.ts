import {
  toCauseCode,
  toStoreCode,
  type Cause,
  type Peer,
  type PeerCertificate,
  type RequestKind,
  type RequestTraits,
  type StoreFailureReason,
} from '../causes.ts'
import type { Explained, Fact, Value } from './format-facts.ts'
import type { FactName } from './messages.ts'

/** Facts of this installation that texts name: the proxy's peers, and the files of its credentials. */
export interface DiagnosticContext {
  /** Host and port of every peer; for the disk its directory, which is empty without one. */
  readonly hosts: Readonly<Record<Peer, string>>
  /** Name that iSales's certificate must have instead of its host; empty for its host. */
  readonly serverName: string
  /** The user, and the likely typing accidents in user and password. Replaced when files are read again. */
  credentials: readonly Fact[]
  /** As `ISALES_TOKEN_HEADER` has it. */
  readonly tokenHeader: string
  /** Returns `ISALES_REJECTED` with another status; undefined if it does not take it. */
  readonly withRejected: (status: number) => string | undefined
  /** Empty if the user is set in the environment. */
  readonly userFile: string
  readonly passwordFile: string
  /** Values that requests are compared with. */
  readonly settings: Record<SettingFact, Value>
}

type SettingFact = NonNullable<RequestTraits['setting']>

/** Returns the setting that decides whether a request ends so, with its value. */
export function settingFacts(
  { setting }: RequestTraits,
  { settings }: DiagnosticContext,
): readonly Fact[] {
  return setting === undefined || settings[setting] === '' ? [] : [[setting, settings[setting]]]
}

export interface FailureDetails {
  readonly cause: Cause
  /** HTTP status; undefined without a response. */
  readonly status?: number | undefined
  /** Error code, `result=7`, or a defect of the response. Possibly empty. Never contains text of a response. */
  readonly detail?: string | undefined
  /** The peer's certificate, if it was not accepted. */
  readonly certificate?: PeerCertificate | undefined
  /** More of what was received, without any value that may be a secret. */
  readonly seen?: readonly Fact[] | undefined
}

/** Returns a failure's code with its facts: the peer, and the details. */
export function explained(
  failure: FailureDetails,
  diagnostics: DiagnosticContext,
  requestKind: RequestKind,
): Explained {
  const { cause, status, detail, certificate, seen = [] } = failure
  const side = cause.side === 'client' ? 'isales' : cause.side
  const facts: Fact[] = []
  const add = (name: FactName, value: Value | undefined): void => {
    if (value !== undefined && value !== '') facts.push([name, value])
  }
  add(side === 'disk' ? 'stateDir' : side, diagnostics.hosts[side])
  if (cause.code === 'other-name' && side === 'isales') add('serverName', diagnostics.serverName)
  add('certificate', certificate?.name)
  if (cause.code === 'untrusted') {
    // A proxy that intercepts TLS shows its own certificate for iSales's.
    if (side === 'isales') add('egress', diagnostics.hosts.egress)
    add('issuer', certificate?.issuer)
    add('chain', certificate?.chain)
  }
  if (cause.code === 'not-yet-valid') add('validFrom', dateOf(certificate?.from))
  if (cause.code === 'expired') add('validTo', dateOf(certificate?.to))
  add('status', status === 0 ? undefined : status)
  add('detail', detail)
  facts.push(...seen)
  if (cause.stage === 'login' && requestKind === 'login') {
    add('userFile', diagnostics.userFile)
    add('passwordFile', diagnostics.passwordFile)
    // Without a directory for login attempts, no count survives the process.
    if (diagnostics.hosts.disk === '') add('restart', 'costs-attempt')
  }
  return { code: toCauseCode(cause, requestKind), facts }
}

/** Returns the reason why the shared store is unavailable. */
export function explainedStore(
  failure: { readonly reason: StoreFailureReason | undefined; readonly code?: string | undefined },
  { hosts }: DiagnosticContext,
): Explained {
  const { reason = 'unreachable', code } = failure
  const facts: Fact[] = [['store', hosts.store]]
  if (code !== undefined) facts.push(['storeCode', code])
  return { code: toStoreCode(reason), facts }
}

/** Returns the status with which iSales ends tokens, and the setting for it; undefined if there is none. */
export function explainedEnd(
  status: number | undefined,
  { withRejected }: DiagnosticContext,
): Explained | undefined {
  if (status === undefined) return undefined
  const line = withRejected(status)
  const example = line === undefined ? [] : [['example', `ISALES_REJECTED=${line}`] as const]
  return { code: 'other-status', facts: [['status', status], ...example] }
}

/** @param time milliseconds since 1970. Returns undefined unless it is a finite number. */
export function dateOf(time = Number.NaN) {
  return Number.isFinite(time) ? { at: new Date(Math.round(time)).toISOString() } : undefined
}
