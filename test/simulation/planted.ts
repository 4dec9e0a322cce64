// Mistakes that the simulation must find, each a change of one text of the program. One whose text is not there is an error.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'

export interface Planted {
  readonly name: string
  /** Below `src/`. */
  readonly file: string
  readonly from: string
  /** Default: nothing. */
  readonly to?: string
  /** What finds it. Default: the seeds. */
  readonly by?: 'search' | 'scenarios'
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'a POST is sent again after its connection broke',
    file: 'proxy/retry.ts',
    from: "(method === 'GET' || method === 'HEAD') && lost",
    to: "method !== '' && lost",
  },
  {
    name: 'a call that may have been executed is said to be not sent',
    file: 'causes.ts',
    from: "'upstream-timeout': { status: 504, sent: 'unknown',",
    to: "'upstream-timeout': { status: 504, sent: 'no',",
  },
  {
    name: 'a hung-up client is not counted as ended',
    file: 'proxy/forward.ts',
    from: "response.on('close', () => this.#closed())",
    to: "response.on('finish', () => this.#closed())",
  },
  {
    name: 'a waiter is kept after its wait has ended',
    file: 'token/source.ts',
    from: 'waiters.delete(look)',
  },
  {
    name: 'a token is used after its end',
    file: 'token/lifecycle.ts',
    from: 'return token !== undefined && now < token.usableUntil ? token : undefined',
    to: 'return token !== undefined && now > 0 * token.usableUntil ? token : undefined',
  },
  {
    name: 'evidence: a call that was sent before the rejection came counts',
    file: 'proxy/forward.ts',
    from: 'accept(token, this.#sentAt, this.#rejected)',
    to: 'accept(token, performance.now(), this.#rejected)',
  },
  {
    name: 'evidence: a rejection is always about its call',
    file: 'token/evidence.ts',
    from: 'openSince + (openSince < doubtUntil ? EVIDENCE_WAIT : 0)',
    to: 'Infinity',
  },
  {
    name: 'evidence: it forbids a renewal for ever',
    file: 'token/evidence.ts',
    from: '(isAgain && now - before.boughtAt >= MAX_PREVAIL)',
    to: '(isAgain && 0 * now >= MAX_PREVAIL)',
  },
  {
    name: 'evidence: a call that was in flight when a renewal ended its token is cured by it',
    file: 'token/source.ts',
    from: "return before.overtaken ? 'overtaken' : 'newer-token'",
    to: "return 'newer-token'",
    by: 'scenarios',
  },
  {
    name: 'pace: renewals that cure nothing follow each other',
    file: 'token/evidence.ts',
    from: 'const paced = Math.max(cured',
    to: 'const paced = Math.min(1, cured',
    by: 'scenarios',
  },
  {
    name: 'proof: a grant proves nothing',
    file: 'token/book.ts',
    from: 'provenUntil: now + PROOF }',
    to: 'provenUntil: now }',
    by: 'scenarios',
  },
  {
    name: 'budget: a refused login is tried again at once',
    file: 'token/book.ts',
    from: 'return at + Math.max(longest, PAUSES',
    to: 'return at + Math.min(0, longest, PAUSES',
  },
  {
    name: 'budget: the book is written after the login',
    file: 'token/book.ts',
    from: '          ? begun(present, now, ask.forced)',
    to: '          ? present',
  },
  {
    name: 'replay: a rejected call is answered with a problem',
    file: 'token/source.ts',
    from: "const NOT_CURABLE: Verdict = { type: 'relay', why: 'not-curable' }",
    to: "const NOT_CURABLE: Verdict = { type: 'no-token', retryAfter: 1000 }",
  },
  {
    name: 'replay: the body is sent without its beginning',
    file: 'proxy/body.ts',
    from: 'buffer.copy(larger, 0, 0, size)',
    to: 'buffer.copy(larger, 0, 0, 0 * size)',
  },
  {
    name: 'a response that was cut looks complete',
    file: 'upstream/exchange.ts',
    from: "this.#sink?.onEnd(ended === 'whole')",
    to: 'this.#sink?.onEnd(true)',
  },
  {
    name: 'drain: what is in flight is cut',
    file: 'listener/connections.ts',
    from: 'if (this.#current !== undefined) return\n    const { bytesRead }',
    to: 'const { bytesRead }',
  },
  {
    name: 'order: a request is begun before the end of the one before it',
    file: 'listener/connections.ts',
    from: 'if (this.#current === undefined && this.#socket.writable) this.#begin(response)',
    to: 'if (this.#socket.writable) this.#begin(response)',
  },
  {
    name: 'gate: a connection that had a call is never idle again',
    file: 'listener/connections.ts',
    from: 'this.#current = undefined\n    this.#options.gate.idle(this.#place)',
    to: 'this.#current = undefined',
  },
  {
    name: 'gate: the newest connection is closed',
    file: 'listener/connections.ts',
    from: 'if (place.idleSince < (longest?.[1].idleSince ?? Infinity))',
    to: 'if (place.idleSince < Infinity)',
  },
  {
    name: 'gate: a call is in flight with half of its body',
    file: 'proxy/app.ts',
    from: '    forward(env)\n',
    to: "    inFlight += 1\n env.response.once('close', () => (inFlight -= 1))\n forward(env)\n",
  },
  {
    name: 'gate: heads are read ahead of a call in progress',
    file: 'listener/connections.ts',
    from: 'if (this.#ahead > 0) this.#socket.pause()',
  },
  {
    name: "adoption: another replica's token counts as new",
    file: 'sharing/seal.ts',
    from: 'sentAt: Math.min(now, sentAt - offset),',
    to: 'sentAt: now,',
  },
  {
    name: "adoption: nobody waits for another replica's token",
    file: 'sharing/share.ts',
    from: "if (why === 'busy') return { deferred: 'busy', ms: look }",
    to: "if (why === 'busy') return undefined",
  },
  {
    name: 'swap: nobody looks who asks',
    file: 'sharing/share.ts',
    from: '  if (asking === undefined || asking.who === own) return false',
    to: '  if (asking !== null) return false',
    by: 'search',
  },
  {
    name: 'swap: what was lost is not applied anew',
    file: 'sharing/share.ts',
    from: '      if (next !== undefined && seen === value) return { account: next, isChanged: true }',
    to: '      if (next !== undefined) return { account: next, isChanged: true }',
  },
  {
    name: 'sharing: an older token is taken',
    file: 'sharing/share.ts',
    from: '  return one.grant.sentAt > other.grant.sentAt',
    to: '  return true',
    by: 'search',
  },
  {
    name: 'sharing: the shared book is not written',
    file: 'sharing/share.ts',
    from: 'return { ...withOurs(account, now), book: withEntry(account, fingerprint, entry), asking }',
    to: 'return { ...withOurs(account, now), asking }',
  },
  {
    name: 'sharing: the shared book is not read',
    file: 'sharing/share.ts',
    from: 'const before = merged(known, account.book.get(fingerprint) ?? NO_ENTRY)',
    to: 'const before = known',
  },
  {
    name: 'book: a process that was quicker is not read again',
    file: 'token/book-file.ts',
    from: '        if (TAKEN.has(code)) return false',
    to: '        if (TAKEN.has(code)) return true',
  },
  {
    name: 'budget: an operator gets a fifth login in 15 min',
    file: 'token/book.ts',
    from: 'const full = entry.attempts < MAX_ATTEMPTS ? -Infinity : entry.at + REFUSED_PAUSE',
    to: 'const full = -Infinity',
  },
  {
    name: 'budget: an operator ends pauses as often as he asks',
    file: 'token/lifecycle.ts',
    from: 'const from = Math.max(at, (lastFailure?.at ?? -Infinity) + FORCED_APART)',
    to: 'const from = at',
  },
  {
    name: 'drain: a connection is kept',
    file: 'server.ts',
    from: 'await upstream.destroy()',
  },
  {
    name: 'a secret is logged',
    file: 'server.ts',
    from: "log('listening', { listener: 'proxy', address: addresses.proxy })",
    to: "log('listening', { listener: 'proxy', address: config.isalesPassword.reveal() })",
  },
  {
    name: 'a client that never ends its headers stays',
    file: 'listener/listener.ts',
    from: 'headersTimeout: headerTimeout',
    to: 'headersTimeout: 0',
  },
  {
    name: 'a changed secret is not noticed',
    file: 'token/source.ts',
    from: 'apply(credentialsChanged, { credentials: changed })',
  },
  {
    name: 'swap: who asks is not said again',
    file: 'sharing/share.ts',
    from: 'if (obtaining !== undefined) return void (await swap(sayAgain))',
    to: 'if (obtaining !== undefined) return',
    by: 'scenarios',
  },
  {
    name: 'book: a login that is open stays so for ever',
    file: 'token/book.ts',
    from: 'if (entry.open && Math.abs(now - entry.at) < OPEN_FOR)',
    to: 'if (entry.open)',
  },
  {
    name: 'pace: a login that failed is tried again without a pause',
    file: 'token/lifecycle.ts',
    from: 'loginNotBefore: Math.max(loginNotBefore, until),',
    to: 'loginNotBefore,',
    by: 'scenarios',
  },
]

/** Names of those whose text is not there exactly once any more. */
export function misfits(root: string): string[] {
  const fits = ({ file, from }: Planted): boolean =>
    readFileSync(join(root, 'src', file), 'utf8').split(from).length === 2
  return PLANTED.filter((bug) => !fits(bug)).map(({ name, file }) => `${name} (${file})`)
}

export function plant({ file, from, to = '' }: Planted, root: string): Plugin {
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
