import { cause, type CauseCode } from '../../src/causes.ts'
import type { AuthFailure, FailureKind } from '../../src/token/isales-client.ts'
import type { DiagnosticContext } from '../../src/messages/index.ts'

/** Creates the failure of a token request. */
export function authFailure(
  kind: FailureKind,
  code: CauseCode,
  more: Partial<Pick<AuthFailure, 'status' | 'detail' | 'retryAfter' | 'certificate'>> = {},
): AuthFailure {
  return { kind, cause: cause(code), detail: '', ...more }
}

/** Details in the expected texts of tests. */
export const PLACES: DiagnosticContext = {
  hosts: {
    disk: '/var/lib/state',
    isales: 'isales.example:443',
    egress: 'egress.example:3128',
    store: 'store.example:6379',
    client: '',
  },
  serverName: '',
  credentials: [
    ['user', 'obs-proxy'],
    ['passwordHas', 'quotes'],
  ],
  tokenHeader: 'Authorization: Bearer {token}',
  withRejected: (status) => (status < 400 ? undefined : `401,403,${status}`),
  userFile: '/run/secrets/user',
  passwordFile: '/run/secrets/password',
  settings: {
    allowedHosts: 'none',
    allowedPaths: '/rest/isales/v1/openapi/obs/',
    maxBodySize: 1_048_576,
    listen: 'http://127.0.0.1:8080',
    clientDeadline: { seconds: 2.8 },
  },
}
