// Mistakes that the simulation, or a seed of test/truth, must find: replacements of texts below `src/`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'

/** After a file: a mistake, its finder if not the seeds, and a text in which it replaces `[-…-]` by `{+…+}`. */
const MISTAKES = `
# proxy/retry.ts
a POST is sent again after its connection broke
  [-(method === 'GET' || method === 'HEAD')-]{+method !== ''+} && unanswered
# codes.ts
a call that may have been executed is reported as not sent
  'upstream-timeout': { status: 504, sent: '[-unknown-]{+no+}',
# proxy/forward.ts
a hung-up client is not counted as ended
  response.on('[-close-]{+finish+}', () => this.#closed())
gate: a call is in flight with half of its body
  const forwarding = new ForwardedCall(shared, call){+
   const took = shared.slots.take()
   call.response.once('close', () => took && shared.slots.release())+}
rejections: a call that was sent before the rejection counts
  accept(token, [-this.#sentAt-]{+performance.now()+}, this.#rejected)
# clock.ts
a waiter is kept after its wait has ended
  [-waiters?.delete(end)-]
# token/token-source.ts
rejections: a call in flight during a renewal makes that renewal effective [scenarios]
  return [-before.superseded ? 'superseded' : -]'newer-token'
replay: a rejected call gets an error of the proxy
  const UNRECOVERABLE: RejectionDecision = { type: '[-relay', why: 'unrecoverable'-]{+no-token', retryAfter: 1000+} }
a changed secret is not noticed
  [-apply(onCredentialsChanged, changed)-]
# token/lifecycle.ts
a token is used after its end
  return token !== undefined && now [-<-]{+> 0 *+} token.usableUntil ? token : undefined
budget: an operator ends pauses at any rate
  const from = [-Math.max(at, failedAt + FORCED_APART)-]{+at+}
pace: a failed login is repeated without a pause [scenarios]
  return Math.[-max-]{+min+}(login.notBefore, loginFrom(record, rules, forced))
tracks: the failure of a refresh is shown for the login
  [-const { lastCode, attempts, rejections } = record-]{+const { failures, last, notBefore } = state.refresh
    const shown = { needed: true, rejected: false, failures, failure: last?.failure }
    if (failures > 0) return { kind: 'transient', until: notBefore, ...shown }
    const { lastCode, attempts, rejections } = record+}
tracks: a refresh is never given up
  const needed = Math.[-min(token?.usableUntil ?? Infinity, renewalDueAt(rejections)-]{+max(token?.usableUntil ?? Infinity, Infinity+})
tracks: logins count in the delay of refreshes
  [-const { failures, notBefore } = before[operation]-]{+const { failures } = before.login
    const { notBefore } = before[operation]+}
# token/rejection-tracker.ts
rejections: every rejection concerns its call alone
  const at = Math.min(state.forceAt, [-unresolvedSince + wait-]{+Infinity+})
rejections: they do not age
  return [-now < (hasResult ? rejectedAt + REJECTED_FOR : replacedAt + UNUSED_FOR)-]{+hasResult || now > rejectedAt - replacedAt+}
rejections: accepted calls prevent every renewal
  forceAt: [-isAgain ? Math.min(before.forceAt, forceAt) : -]before.forceAt,
pace: ineffective renewals follow each other at once [scenarios]
  return Math.max(at, lastReactiveRenewalAt + Math.[-max(-]{+min(1, +}least, doubled))
# token/login-guard.ts
guard: a 500 for known good credentials does not count
  if (kind === 'ambiguous') return isKnownGood ? [-'attempt'-]{+undefined+} : 'rejection'
guard: a grant does not make credentials known good [scenarios]
  knownGoodUntil: now [-+ KNOWN_GOOD_FOR -]}
guard: a refused login is repeated at once
  const pause = Math.[-max(longest, pauseOf(record), unshared ? FULL_PAUSE-]{+min(0, longest, unshared ? 1+} : 0)
guard: an operator gets a fifth login in 15 min
  [-(forced && attempts < MAX_ATTEMPTS)-]{+forced+}
# token/account.ts
guard: the attempt is written after the login
  record[-: recordStart(record, now, { forced, alone: shared && alone })-]
lease: it never expires
  return now [-< lease.until && lease.until < now + 2 * -]{+> -+}LEASE_DURATION
adoption: no replica waits for another replica's token
  if (isTaken && [-!alone-]{+now < 0+})
lease: its holder is ignored [search]
  if (lease [-=== undefined || lease.holder === holder-]{+!== null+}) return false
sharing: an older token is taken [search]
    return [-one.sentAt > other.sentAt-]{+true+}
# proxy/body.ts
replay: the body is sent without its beginning
  size += chunk.copy(bytes, [-size-]{+0+})
# upstream/exchange.ts
a cut response looks complete
  this.#sink?.onEnd([-ended === 'whole'-]{+true+})
# listener/connection.ts
drain: calls in flight are cut
  [-if (this.#current !== undefined) return
      if (this.#was-]{+if (this.#was+}
order: a request begins before the end of the previous request
  if ([-!isRefused && current === undefined-]{+this.#socket.writable+}) this.#start(response)
gate: a connection that had a call is never idle again
  this.#next = undefined[-
      this.#options.limiter.mark(this.#slot, false)-]
gate: heads are read ahead of a call in progress
  [-if (this.#pipelined > 0 || this.#awaitsTurn) this.#socket.pause()-]
# listener/connection-limiter.ts
gate: the newest connection is closed
  other.idleSince [-<-]{+>+} one.idleSince
# token/stored-state.ts
adoption: another replica's token counts as new
  sentAt: [-Math.min(now, sentAt - offset)-]{+now+},
# token/register.ts
update: a change that lost the race is not repeated
  if (target === undefined[- || seen !== sent?.value-]) continue
sharing: the record is not written
  [-records.set(name, record)-]
sharing: the stored record is not read
  if (base === undefined) return [-mergeRecords(stored, record)-]{+record+}
# token/request-token.ts
sharing: a refreshed token gets the name of the current credentials
  of: [-isLogin ? name : request.current.of-]{+name+}
lease: its holder does not renew it [scenarios]
  return isInFlight [-? renewLease(found, holder, now) : undefined-]{+|| now > 0 ? undefined : renewLease(found, holder, now)+}
# token/attempt-file.ts
file: the version of a quicker process is not read
  if (TAKEN.has(code)) return [-false-]{+true+}
# server.ts
drain: a connection is kept
  [-await upstream.destroy()-]
a secret is logged
  log('listening', { listener: 'proxy', address: [-addresses.proxy-]{+config.isalesPassword.reveal()+} })
# listener/listener.ts
a client that never ends its headers stays
  headersTimeout: [-headerTimeout-]{+0+}
# request-summary.ts
accounting: a client that gives up counts as answered
    if (left === 'response') return [-classOf('abandoned', 'gave-up')-]{+ANSWERED+}
# admin/diagnosis.ts
the least important finding is the headline [truth 1191]
  [...runChecks(input)].{+reverse().+}sort(
# admin/accounting.ts
calls are degraded from half of them on [truth 289]
    lost: 0.[-05-]{+5+},
accounting: earlier calls count among the latest
  [-if (at > now - ms) -]for
`

export type Planted = (typeof PLANTED)[number]

export const PLANTED = MISTAKES.split(/^# /m)
  .slice(1)
  .flatMap((section) => {
    const [, file = '', mistakes = ''] = /^(\S+)\n([^]*)/.exec(section) ?? []
    return Array.from(
      mistakes.matchAll(/^(\S.*?)(?: \[(search|scenarios|truth \d+)\])?\n((?: {2}.*\n)+)/gm),
      ([, name = '', by, lines = '']) => {
        const text = lines.replaceAll(/^ {2}/gm, '').trimEnd()
        const from = text.replaceAll(/\{\+[^]*?\+\}/g, '').replaceAll(/\[-([^]*?)-\]/g, '$1')
        const to = text.replaceAll(/\[-[^]*?-\]/g, '').replaceAll(/\{\+([^]*?)\+\}/g, '$1')
        return { file, name, from, to, by }
      },
    )
  })

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
