import { randomBytes } from 'node:crypto'
import { trueLife, type Switches } from './switches.ts'

/** Both tokens of one login; instants are milliseconds on the simulator's clock. */
interface Session {
  readonly token: string
  readonly refreshToken: string
  readonly tokenEndsAt: number
  readonly refreshEndsAt: number
}

/** `resultData` of a login or a refresh, as published. */
export interface GrantData {
  readonly token: string
  readonly tokenExpirationTime: unknown
  readonly refreshToken: string
  readonly refreshExpirationTime: unknown
}

export type Judgement = 'granted' | 'refused' | 'locked'
export interface Attempt {
  readonly judgement: Judgement
  readonly data?: GrantData
}

export interface Accounts {
  login(user: unknown, password: unknown): Attempt
  refresh(refreshToken: unknown, headerToken: string | undefined): Attempt
  /** True while a business call with this token is served. */
  accepts(token: string): boolean
  /** Ends every token, refresh tokens not; answers how many were good. */
  revoke(): number
  revokeRefresh(): number
  /** Makes a token good that no login answered. */
  adopt(token: string): void
  unlock(): void
  readonly counts: AccountCounts
  /** Every token and refresh token handed out, the newest 10,000. */
  readonly issued: readonly string[]
}

export interface AccountCounts {
  logins: number
  refreshes: number
  loginsRejected: number
  refreshesRejected: number
  /** How often the account came to be locked. */
  locks: number
  locked: boolean
  wrongPasswords: number
}

interface AccountsOptions {
  readonly switches: () => Switches
  readonly now: () => number
}

const ISSUED_KEPT = 10_000
const SESSIONS_KEPT = 5000

/** Who may log in, and which tokens are good. */
export function createAccounts({ switches, now }: AccountsOptions): Accounts {
  /** Ends of what is good now, by text; two maps because each can be revoked without the other. */
  const tokens = new Map<string, number>()
  const refreshTokens = new Map<string, Session>()
  const issued: string[] = []
  let latest: Session | undefined
  let wrongInRow = 0
  let serial = 0
  const counts: AccountCounts = {
    logins: 0,
    refreshes: 0,
    loginsRejected: 0,
    refreshesRejected: 0,
    locks: 0,
    locked: false,
    wrongPasswords: 0,
  }

  const isGood = (token: string | undefined): boolean =>
    token !== undefined && (tokens.get(token) ?? -Infinity) > now()

  const isGoodRefresh = (token: string): boolean =>
    (refreshTokens.get(token)?.refreshEndsAt ?? -Infinity) > now()

  function mint(kind: string): string {
    serial += 1
    const token = `${kind}${serial}.${randomBytes(24).toString('base64url')}`
    issued.push(token)
    if (issued.length > ISSUED_KEPT) issued.shift()
    return token
  }

  function open(token: string, refreshToken: string): Session {
    const { tokenLifetime, tokenLives, refreshLifetime, refreshLives } = switches()
    const session: Session = {
      token,
      refreshToken,
      tokenEndsAt: now() + trueLife(tokenLifetime, tokenLives) * 1000,
      refreshEndsAt: now() + trueLife(refreshLifetime, refreshLives) * 1000,
    }
    setNewest(tokens, token, session.tokenEndsAt)
    setNewest(refreshTokens, refreshToken, session)
    latest = session
    return session
  }

  function grant(session: Session, tokenExpirationTime = switches().tokenLifetime): Attempt {
    const { token, refreshToken } = session
    const { refreshLifetime } = switches()
    return {
      judgement: 'granted',
      data: {
        token,
        tokenExpirationTime,
        refreshToken,
        refreshExpirationTime: refreshLifetime,
      },
    }
  }

  function refuseLogin(): Attempt {
    counts.loginsRejected += 1
    return { judgement: counts.locked ? 'locked' : 'refused' }
  }

  function countWrongPassword(): void {
    counts.wrongPasswords += 1
    wrongInRow += 1
    const { lockAfter } = switches()
    if (counts.locked || lockAfter === 0 || wrongInRow < lockAfter) return
    counts.locked = true
    counts.locks += 1
  }

  function loginAgain(session: Session): Attempt {
    const mode = switches().sameToken
    if (mode === 'extended') return grant(open(session.token, session.refreshToken))
    const left = Math.ceil((session.tokenEndsAt - now()) / 1000)
    return mode === 'remaining' ? grant(session, left) : grant(session)
  }

  return {
    counts,
    issued,
    login(user, password) {
      const { user: known, password: right, sameToken, singleSession } = switches()
      if (user !== known || password !== right) {
        if (user === known) countWrongPassword()
        return refuseLogin()
      }
      if (counts.locked) return refuseLogin()
      wrongInRow = 0
      counts.logins += 1
      if (sameToken !== 'off' && latest !== undefined && isGood(latest.token))
        return loginAgain(latest)
      if (singleSession) {
        tokens.clear()
        refreshTokens.clear()
      }
      return grant(open(mint('t'), mint('r')))
    },
    refresh(refreshToken, headerToken) {
      const { refreshHeader, rotate, refreshEndsOld } = switches()
      const known = typeof refreshToken === 'string' ? refreshTokens.get(refreshToken) : undefined
      const named =
        !refreshHeader || headerToken === known?.token || headerToken === known?.refreshToken
      if (known === undefined || !isGoodRefresh(known.refreshToken) || !named) {
        counts.refreshesRejected += 1
        return { judgement: 'refused' }
      }
      counts.refreshes += 1
      if (rotate) refreshTokens.delete(known.refreshToken)
      if (refreshEndsOld) tokens.delete(known.token)
      return grant(open(mint('t'), rotate ? mint('r') : known.refreshToken))
    },
    accepts(token) {
      const { businessToken, edition } = switches()
      const wanted = businessToken ?? (edition === 'chinese' ? 'refreshToken' : 'token')
      if (wanted === 'token') return isGood(token)
      const session = refreshTokens.get(token)
      // A revocation of tokens ends the session for business calls, whichever token they carry.
      return session !== undefined && isGoodRefresh(token) && tokens.has(session.token)
    },
    revoke() {
      const good = [...tokens.keys()].filter(isGood).length
      tokens.clear()
      return good
    },
    revokeRefresh() {
      const good = [...refreshTokens.keys()].filter(isGoodRefresh).length
      refreshTokens.clear()
      return good
    },
    adopt(token) {
      tokens.set(token, now() + 300_000)
    },
    unlock() {
      counts.locked = false
      wrongInRow = 0
    },
  }
}

/** Insertion order is age: what was renewed counts as new, and the oldest is forgotten. */
function setNewest<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= SESSIONS_KEPT) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
