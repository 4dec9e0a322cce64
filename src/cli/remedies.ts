import type { Config } from '../config/settings.ts'
import { isRefusal, type AuthFailure } from '../token/protocol.ts'
import { egressFor } from '../upstream/egress-proxy.ts'

/** What to do about a stage of the conversation that does not work as it should. */
export const REMEDIES = {
  blind:
    'Ask the vendor how iSales refuses a token that is not valid; ISALES_REJECTED_STATUSES and ISALES_REJECTED_RESULTS tell the proxy',
  carrier:
    'Check ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME, ISALES_TOKEN_FIELD and ISALES_LOGIN_PATH; `discover` finds them',
  clock: 'Set the clock: certificates, tickets and the log go by it',
  milliseconds: 'Perhaps iSales states milliseconds: tell the vendor; 24 h are believed at most',
  refresh: '`discover` finds the form, or set ISALES_REFRESH_PATH=off',
} as const

/** What happened, and what to do. */
type Cause = readonly [evidence: string, remedy: string]

const UNTRUSTED: Cause = [
  'the certificate is not of an authority that is trusted',
  'Set ISALES_CA_FILE to the PEM file of the authority that issued it',
]
const REFUSED: Cause = [
  'refused',
  'Check user and password; do not try often, or the account may be locked',
]

const FAILURES: Readonly<Record<AuthFailure['reason'], Cause>> = {
  rejected: REFUSED,
  result: REFUSED,
  throttled: ['refused for now, too many calls', 'Try again later'],
  unavailable: ['iSales cannot be reached or is out of order', 'Check ISALES_URL and the network'],
  timeout: ['no whole response within ISALES_LOGIN_TIMEOUT', 'Check the network'],
  tls: ['TLS failed', 'Check ISALES_CA_FILE and the dates of the certificate'],
  malformed: [
    'the response is not that of an iSales, and says nothing about user and password',
    'Check ISALES_URL and ISALES_LOGIN_PATH',
  ],
}

/** What an error code means, where it says more than the class of the failure. */
const CAUSES: Readonly<Record<string, Cause>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'the certificate is for another name',
    'Check the host in ISALES_URL, or set ISALES_TLS_SERVER_NAME to the name of the certificate',
  ],
  ENOTFOUND: ['the host name is unknown', 'Check ISALES_URL and DNS'],
  EAI_AGAIN: ['DNS does not respond', 'Check the network and DNS'],
  ERR_EGRESS_PROXY_AUTH: [
    'the egress proxy wants a user and password',
    'Put them into HTTPS_PROXY',
  ],
  ERR_EGRESS_PROXY_REFUSED: ['the egress proxy refuses to connect to iSales', 'Check its rules'],
}

/** What to do about a login that is refused with this status, where it says more. */
const REFUSED_WITH: Readonly<Record<number, string>> = {
  400: 'Check user, password and ISALES_LOGIN_PATH',
  401: 'Have the operator of iSales put the account in order',
}

/** Why a login gave no token: one sentence with the code behind it, and what to do. */
export function describeFailure(failure: AuthFailure, config: Config) {
  const { reason, status, detail, tlsSide } = failure
  const [evidence, remedy] = CAUSES[detail] ?? FAILURES[reason]
  const egress = egressFor(config)
  const known = status === undefined || detail.includes(String(status))
  const code = known ? detail : `status ${status}, ${detail}`
  // Only the host: the rest of HTTPS_PROXY may hold a password.
  const through = egress === undefined ? '' : ` through HTTPS_PROXY (${egress.host})`
  const remedies = [
    tlsSide === undefined
      ? (isRefusal(failure) && REFUSED_WITH[status ?? 0]) || remedy
      : 'Check the scheme and the port in ISALES_URL',
    ...(status === undefined && egress !== undefined ? ['Check HTTPS_PROXY and NO_PROXY'] : []),
  ]
  return {
    evidence: `${evidence}${tlsSide === undefined ? '' : `; ${tlsSide}`}${through} (${code})`,
    remedy: remedies.join('. '),
  }
}
