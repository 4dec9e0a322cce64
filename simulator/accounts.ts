import { randomBytes } from 'node:crypto'
import { NewestMap } from './newest-map.ts'
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

export type Refused =
  | 'unknown user'
  | 'wrong password'
  | 'account locked'
  | 'unknown refresh token'
  | 'no token of the session in the Authentication header'
export type Attempt = { readonly grant: GrantData } | { readonly refused: Refused }

export interface Accounts {
  login(user: unknown, password: unknown): Attempt
  refresh(refreshToken: unknown, headerToken: string | undefined): Attempt
  /** True while iSales accepts business calls with this token. */
  accepts(token: string): boolean
  /** True for a token that has expired. */
  expired(token: string): boolean
  /** Ends every token, but no refresh token. Returns the number of valid tokens. */
  revoke(): number
  revokeRefresh(): number
  /** Makes a token valid that no login returned. */
  adopt(token: string): void
  unlock(): void
  state(): AccountState
  /** Every token and refresh token handed out, the newest 10,000. */
  readonly issued: readonly string[]
}

export interface AccountState {
  readonly logins: number
  readonly refreshes: number
  readonly loginsRejected: number
  readonly refreshesRejected: number
  readonly wrongPasswords: number
  /** Number of times that the account was locked. */
  readonly locks: number
  readonly locked: boolean
  /** Total number of valid tokens that were revoked. */
  readonly revoked: number
}

interface AccountsOptions {
  readonly switches: () => Switches
  readonly now: () => number
}

const ISSUED_KEPT = 10_000
const SESSIONS_KEPT = 5000

/** Decides about logins, and about the validity of tokens. */
export function createAccounts({ switches, now }: AccountsOptions): Accounts {
  /** Expiry times of valid tokens. Two maps, because tokens and refresh tokens are revoked separately. */
  const tokens = new NewestMap<string, number>(SESSIONS_KEPT)
  const refreshTokens = new NewestMap<string, Session>(SESSIONS_KEPT)
  const issued: string[] = []
  let latest: Session | undefined
  let serial = 0
  let wrongInRow = 0
  /** Times of the wrong passwords in the window. */
  let wrongAt: number[] = []
  let lockedUntil = -Infinity
  const counts = {
    logins: 0,
    refreshes: 0,
    loginsRejected: 0,
    refreshesRejected: 0,
    wrongPasswords: 0,
    locks: 0,
    revoked: 0,
  }

  const isGood = (token: string): boolean => (tokens.get(token) ?? -Infinity) > now()
  const isGoodRefresh = (token: string): boolean =>
    (refreshTokens.get(token)?.refreshEndsAt ?? -Infinity) > now()
  const isLocked = (): boolean => now() < lockedUntil

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
    tokens.set(token, session.tokenEndsAt)
    refreshTokens.set(refreshToken, session)
    latest = session
    return session
  }

  function granted(
    { token, refreshToken }: Session,
    tokenExpirationTime = switches().tokenLifetime,
  ): Attempt {
    const refreshExpirationTime = switches().refreshLifetime
    return { grant: { token, tokenExpirationTime, refreshToken, refreshExpirationTime } }
  }

  function refuseLogin(refused: Refused): Attempt {
    counts.loginsRejected += 1
    return { refused }
  }

  function countWrongPassword(): void {
    counts.wrongPasswords += 1
    if (isLocked()) return
    const { lockAfter, lockPolicy, lockWindow, lockLasts } = switches()
    wrongInRow += 1
    wrongAt = [...wrongAt.filter((at) => now() - at < lockWindow * 1000), now()]
    if (lockAfter === 0) return
    if (lockPolicy !== 'window' && wrongInRow >= lockAfter) lockedUntil = Infinity
    else if (lockPolicy !== 'row' && wrongAt.length >= lockAfter)
      lockedUntil = now() + lockLasts * 1000
    else return
    counts.locks += 1
    wrongAt = []
  }

  function loginAgain(session: Session): Attempt {
    const { sameToken: mode, tokenLifetime } = switches()
    const left = (session.tokenEndsAt - now()) / 1000
    if (mode === 'extended' && left < Number(tokenLifetime))
      return granted(open(session.token, session.refreshToken))
    return mode === 'remaining' ? granted(session, Math.ceil(left)) : granted(session)
  }

  return {
    issued,
    state: () => ({ ...counts, locked: isLocked() }),
    login(user, password) {
      const { user: known, password: right, sameToken, singleSession } = switches()
      if (user !== known) return refuseLogin('unknown user')
      if (password !== right) countWrongPassword()
      if (isLocked()) return refuseLogin('account locked')
      if (password !== right) return refuseLogin('wrong password')
      wrongInRow = 0
      counts.logins += 1
      if (sameToken !== 'off' && latest !== undefined && isGood(latest.token))
        return loginAgain(latest)
      if (singleSession) {
        tokens.clear()
        refreshTokens.clear()
      }
      return granted(open(mint('t'), mint('r')))
    },
    refresh(refreshToken, headerToken) {
      const { refreshHeader, rotate, refreshEndsOld } = switches()
      const session = typeof refreshToken === 'string' ? refreshTokens.get(refreshToken) : undefined
      const isKnown = session !== undefined && isGoodRefresh(session.refreshToken)
      const isNamed =
        !refreshHeader || headerToken === session?.token || headerToken === session?.refreshToken
      if (!isKnown || !isNamed) {
        counts.refreshesRejected += 1
        return {
          refused: isKnown
            ? 'no token of the session in the Authentication header'
            : 'unknown refresh token',
        }
      }
      counts.refreshes += 1
      if (rotate) refreshTokens.delete(session.refreshToken)
      if (refreshEndsOld) tokens.delete(session.token)
      return granted(open(mint('t'), rotate ? mint('r') : session.refreshToken))
    },
    accepts(token) {
      const { businessToken, edition } = switches()
      const wanted = businessToken ?? (edition === 'chinese' ? 'refreshToken' : 'token')
      if (wanted === 'token') return isGood(token)
      const session = refreshTokens.get(token)
      // A revocation of tokens ends the session for business calls, also if they carry the refresh token.
      return session !== undefined && isGoodRefresh(token) && tokens.has(session.token)
    },
    expired: (token) => tokens.has(token) && !isGood(token),
    revoke() {
      const ended = [...tokens.keys()].filter(isGood).length
      tokens.clear()
      counts.revoked += ended
      return ended
    },
    revokeRefresh() {
      const ended = [...refreshTokens.keys()].filter(isGoodRefresh).length
      refreshTokens.clear()
      return ended
    },
    adopt(token) {
      tokens.set(token, now() + 300_000)
    },
    unlock() {
      lockedUntil = -Infinity
      wrongInRow = 0
      wrongAt = []
    },
  }
}
