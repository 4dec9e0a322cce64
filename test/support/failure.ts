import { authFailureOf, cause, type CauseCode } from '../../src/causes.ts'
import type { AuthFailure, FailureKind } from '../../src/token/isales-client.ts'
import type { Places } from '../../src/words/index.ts'

/** A token request that failed for this cause. */
export function authFailure(
  kind: FailureKind,
  code: CauseCode,
  more: Partial<Pick<AuthFailure, 'status' | 'detail' | 'retryAfter' | 'certificate'>> = {},
): AuthFailure {
  const why = cause(code)
  return { kind, cause: why, reason: authFailureOf(why), detail: '', ...more }
}

/** Values that the expected sentences of tests name. */
export const PLACES: Places = {
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
