// Mistakes that the simulation must find, each a replaced text of the program. A missing text is an error.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'

/** A text of the program, its replacement (default: none), and the finder (default: the seeds). */
type Mistake = readonly [from: string, to?: string, by?: 'search' | 'scenarios']

export type Planted = (typeof PLANTED)[number]

/** By file below `src/` and name. */
const MISTAKES: Readonly<Record<string, Readonly<Record<string, Mistake>>>> = {
  'proxy/retry.ts': {
    'a POST is sent again after its connection broke': [
      "(method === 'GET' || method === 'HEAD') && lost",
      "method !== '' && lost",
    ],
  },
  'codes.ts': {
    'a call that may have been executed is said to be not sent': [
      "'upstream-timeout': { status: 504, sent: 'unknown',",
      "'upstream-timeout': { status: 504, sent: 'no',",
    ],
  },
  'proxy/forward.ts': {
    'a hung-up client is not counted as ended': [
      "response.on('close', () => this.#closed())",
      "response.on('finish', () => this.#closed())",
    ],
    'gate: a call is in flight with half of its body': [
      'const forwarding = new ForwardedCall(shared, call)',
      "const forwarding = new ForwardedCall(shared, call)\n shared.inFlight += 1\n call.response.once('close', () => (shared.inFlight -= 1))",
    ],
    'rejections: a call that was sent before the rejection counts': [
      'accept(token, this.#sentAt, this.#rejected)',
      'accept(token, performance.now(), this.#rejected)',
    ],
  },
  'token/token-source.ts': {
    'a waiter is kept after its wait has ended': ['waiters.delete(look)'],
    'rejections: a call that was in flight when a renewal ended its token makes that renewal effective':
      [
        "return before.superseded ? 'superseded' : 'newer-token'",
        "return 'newer-token'",
        'scenarios',
      ],
    'replay: a rejected call is answered with a problem': [
      "const NOT_CURABLE: RejectionDecision = { type: 'relay', why: 'not-curable' }",
      "const NOT_CURABLE: RejectionDecision = { type: 'no-token', retryAfter: 1000 }",
    ],
    'a changed secret is not noticed': ['apply(onCredentialsChanged, changed)'],
  },
  'token/lifecycle.ts': {
    'a token is used after its end': [
      'return token !== undefined && now < token.usableUntil ? token : undefined',
      'return token !== undefined && now > 0 * token.usableUntil ? token : undefined',
    ],
    'budget: an operator ends pauses as often as he asks': [
      'const from = Math.max(at, (lastFailure?.at ?? -Infinity) + FORCED_APART)',
      'const from = at',
    ],
    'pace: a login that failed is tried again without a pause': [
      'return Math.max(notBefore, loginFrom(record, rules, forced))',
      'return Math.min(notBefore, loginFrom(record, rules, forced))',
      'scenarios',
    ],
  },
  'token/rejection-tracker.ts': {
    'rejections: each is about its call': [
      'const at = state.forceRenewal ? -Infinity : unresolvedSince + wait',
      'const at = state.forceRenewal ? -Infinity : Infinity',
    ],
    'rejections: accepted calls forbid a renewal for ever': [
      'forceRenewal: before.forceRenewal || (isAgain && !isSuppressed),',
      'forceRenewal: before.forceRenewal,',
    ],
    'pace: renewals that help nothing follow each other': [
      'return Math.max(at, lastReactiveRenewalAt + Math.max(least, doubled))',
      'return Math.max(at, lastReactiveRenewalAt + Math.min(1, least, doubled))',
      'scenarios',
    ],
  },
  'token/login-guard.ts': {
    'guard: a 500 on credentials that are known good is free': [
      "if (kind === 'ambiguous') return isKnownGood ? 'attempt' : 'refusal'",
      "if (kind === 'ambiguous') return isKnownGood ? undefined : 'refusal'",
    ],
    'guard: a grant makes nothing known good': [
      'knownGoodUntil: now + KNOWN_GOOD_FOR }',
      'knownGoodUntil: now }',
      'scenarios',
    ],
    'guard: a refused login is tried again at once': [
      'const pause = Math.max(longest, pauseOf(record))',
      'const pause = Math.min(0, longest, pauseOf(record))',
    ],
    'guard: an operator gets a fifth login in 15 min': [
      '(forced && attempts < MAX_ATTEMPTS)',
      'forced',
    ],
  },
  'token/account.ts': {
    'guard: the attempt is written after the login': [
      'const started = { ...account, record: recordStart(record, now, forced) }',
      'const started = account',
    ],
    'lease: it never expires': [
      'return Math.abs(now - lease.renewedAt) < LEASE_DURATION',
      'return now > -LEASE_DURATION',
    ],
    "adoption: nobody waits for another replica's token": [
      'if (isTaken && !alone)',
      'if (isTaken && now < 0)',
    ],
    'lease: nobody looks who has it': [
      'if (lease === undefined || lease.holder === holder) return false',
      'if (lease !== null) return false',
      'search',
    ],
    'sharing: an older token is taken': [
      '  return one.grant.sentAt > other.grant.sentAt',
      '  return true',
      'search',
    ],
  },
  'proxy/body.ts': {
    'replay: the body is sent without its beginning': [
      'size += chunk.copy(bytes, size)',
      'size += chunk.copy(bytes, 0)',
    ],
  },
  'upstream/exchange.ts': {
    'a response that was cut looks complete': [
      "this.#sink?.onEnd(ended === 'whole')",
      'this.#sink?.onEnd(true)',
    ],
  },
  'listener/connection.ts': {
    'drain: what is in flight is cut': [
      'if (this.#current !== undefined) return\n    if (this.#was',
      'if (this.#was',
    ],
    'order: a request is begun before the end of the one before it': [
      'if (this.#current === undefined && this.#socket.writable) this.#begin(response)',
      'if (this.#socket.writable) this.#begin(response)',
    ],
    'gate: a connection that had a call is never idle again': [
      'this.#current = undefined\n    this.#options.limiter.markIdle(this.#slot)',
      'this.#current = undefined',
    ],
    'gate: heads are read ahead of a call in progress': [
      'if (this.#ahead > 0) this.#socket.pause()',
    ],
  },
  'listener/connection-limiter.ts': {
    'gate: the newest connection is closed': [
      'if (slot.idleSince < (longest?.[1].idleSince ?? Infinity))',
      'if (slot.idleSince < Infinity)',
    ],
  },
  'sharing/sealer.ts': {
    "adoption: another replica's token counts as new": [
      'sentAt: Math.min(now, token.sentAt - offset),',
      'sentAt: now,',
    ],
  },
  'token/register.ts': {
    'update: a change that lost the race is not made again': [
      'if (target === undefined || seen !== value) continue',
      'if (target === undefined) continue',
    ],
    'sharing: the record is not written': [
      'if (account.record !== NO_ATTEMPTS) records.set(to.nameOf(credentials), account.record)',
      '',
    ],
    'sharing: the stored record is not read': [
      'record: mine === undefined ? stored : mergeRecords(stored, mine.record),',
      'record: mine?.record ?? NO_ATTEMPTS,',
    ],
  },
  'token/request-token.ts': {
    'lease: it is not renewed': [
      'isInFlight && !alone ? renewLease(found, holder, now) : undefined',
      'isInFlight && alone ? renewLease(found, holder, now) : undefined',
      'scenarios',
    ],
  },
  'token/attempt-file.ts': {
    'file: a process that was quicker is not read again': [
      '        if (TAKEN.has(code)) return false',
      '        if (TAKEN.has(code)) return true',
    ],
  },
  'server.ts': {
    'drain: a connection is kept': ['await upstream.destroy()'],
    'a secret is logged': [
      "log('listening', { listener: 'proxy', address: addresses.proxy })",
      "log('listening', { listener: 'proxy', address: config.isalesPassword.reveal() })",
    ],
  },
  'listener/listener.ts': {
    'a client that never ends its headers stays': [
      'headersTimeout: headerTimeout',
      'headersTimeout: 0',
    ],
  },
  'request-summary.ts': {
    'accounting: a client that gives up is excused': [
      "  if (left === 'response') return classOf('abandoned', 'gave-up')",
      "  if (left === 'response') return ANSWERED",
    ],
  },
  'admin/accounting.ts': {
    'accounting: calls of the last minute stay for an hour': [
      'window: slidingTally(MINUTE)',
      'window: slidingTally(60 * MINUTE)',
    ],
  },
}

export const PLANTED = Object.entries(MISTAKES).flatMap(([file, mistakes]) =>
  Object.entries(mistakes).map(([name, [from, to = '', by]]) => ({ file, name, from, to, by })),
)

/** Returns the mistakes whose text does not occur exactly once. */
export function misfits(root: string): string[] {
  const fits = ({ file, from }: Planted): boolean =>
    readFileSync(join(root, 'src', file), 'utf8').split(from).length === 2
  return PLANTED.filter((bug) => !fits(bug)).map(({ name, file }) => `${name} (${file})`)
}

export function plant({ file, from, to }: Planted, root: string): Plugin {
  const path = join(root, 'src', file)
  return {
    name: 'plant',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, (loaded) => {
        if (loaded.path !== path) return undefined
        return { contents: readFileSync(path, 'utf8').replace(from, () => to), loader: 'ts' }
      })
    },
  }
}
