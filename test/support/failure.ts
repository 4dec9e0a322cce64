import { toAuthFailure, cause, type CauseCode } from '../../src/codes.ts'
import type { AuthFailure, FailureKind } from '../../src/token/isales-client.ts'
import type { DiagnosticContext } from '../../src/messages/index.ts'

/** A token request that failed for this cause. */
export function authFailure(
  kind: FailureKind,
  code: CauseCode,
  more: Partial<Pick<AuthFailure, 'status' | 'detail' | 'retryAfter' | 'certificate'>> = {},
): AuthFailure {
  const why = cause(code)
  return { kind, cause: why, reason: toAuthFailure(why), detail: '', ...more }
}

/** Values that the expected sentences of tests name. */
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
  userFile: '/run/secrets/user',
  passwordFile: '/run/secrets/password',
}
