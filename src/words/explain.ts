import {
  codeOfCause,
  codeOfStore,
  type Asked,
  type Cause,
  type CertificateSeen,
  type Side,
  type StoreFailureReason,
} from '../causes.ts'
import type { Explained, Fact, Value } from './facts.ts'
import type { FactName } from './words.ts'

/** Where this proxy connects to, and where its credentials come from. */
export interface Places {
  /** Host and port; the directory of the disk, empty without one. */
  readonly hosts: Readonly<Record<Side, string>>
  /** What the certificate of iSales is checked for instead of its host; empty: its host. */
  readonly serverName: string
  /** Empty: the environment. */
  readonly userFile: string
  readonly passwordFile: string
}

/** What is known of a failure besides its cause. */
export interface Failure {
  readonly cause: Cause
  readonly status?: number | undefined
  /** An error code, or what is odd about the response. */
  readonly detail?: string
  readonly certificate?: CertificateSeen | undefined
}

const PLACES = { isales: 'isales', egress: 'egress', store: 'store', disk: 'stateDir' } as const

/** The code that explains a failure, where it was met, and what else is known of it. */
export function explained(failure: Failure, places: Places, asked: Asked): Explained {
  const { cause, status, detail, certificate } = failure
  const side = cause.side === 'client' ? 'isales' : cause.side
  const facts: Fact[] = []
  const add = (name: FactName, value: Value | undefined): void => {
    if (value !== undefined && value !== '') facts.push([name, value])
  }
  add(PLACES[side], places.hosts[side])
  if (cause.code === 'other-name' && side === 'isales') add('serverName', places.serverName)
  add('certificate', certificate?.name)
  if (cause.code === 'not-yet-valid') add('validFrom', dateOf(certificate?.from))
  if (cause.code === 'expired') add('validTo', dateOf(certificate?.to))
  add('status', status === 0 ? undefined : status)
  add('detail', detail)
  if (cause.stage === 'login' && asked === 'login') {
    add('userFile', places.userFile)
    add('passwordFile', places.passwordFile)
    // Without a directory for the book of logins nothing survives the process.
    if (places.hosts.disk === '') add('restartCosts', true)
  }
  return { code: codeOfCause(cause, asked), facts }
}

interface StoreTrouble {
  readonly reason: StoreFailureReason | undefined
  readonly code?: string | undefined
}

/** Why the shared store cannot be used. */
export function explainedStore({ reason, code }: StoreTrouble, { hosts }: Places): Explained {
  const facts: Fact[] = [['store', hosts.store]]
  if (code !== undefined) facts.push(['storeCode', code])
  return { code: codeOfStore(reason ?? 'unreachable'), facts }
}

function dateOf(time = Number.NaN): Value | undefined {
  return Number.isNaN(time) ? undefined : { at: new Date(time).toISOString() }
}
