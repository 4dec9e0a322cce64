// Mistakes that the simulation must find, each a change of one text of the program. One whose text is not there is an error.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'

export interface Planted {
  readonly name: string
  /** Below `src/`. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** The exhaustive search finds it. Default: the seeds do. */
  readonly search?: true
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
    file: 'http/problem.ts',
    from: "'upstream-timeout': { status: 504, sent: 'unknown' }",
    to: "'upstream-timeout': { status: 504, sent: 'no' }",
  },
  {
    name: 'a hung-up client is not counted as ended',
    file: 'proxy/forward.ts',
    from: "response.on('close', () => this.#closed())",
    to: "response.on('finish', () => this.#closed())",
  },
  {
    name: 'a waiter is forgotten at its deadline',
    file: 'token/source.ts',
    from: 'const expire = (): void => check(true)',
    to: 'const expire = (): void => undefined',
  },
  {
    name: 'a token is used after its end',
    file: 'token/lifecycle.ts',
    from: 'return now < end ? token : undefined',
    to: 'return now > 0 * end ? token : undefined',
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
    from: 'const unsteady = before.unsteady || (isLost && now',
    to: 'const unsteady = before.unsteady || (isLost && 0 * now',
  },
  {
    name: 'evidence: a call that was in flight when a renewal ended its token is cured by it',
    file: 'token/source.ts',
    from: "return before.overtaken ? 'overtaken' : 'newer-token'",
    to: "return 'newer-token'",
  },
  {
    name: 'pace: renewals that cure nothing follow each other',
    file: 'token/evidence.ts',
    from: 'const paced = Math.max(curable',
    to: 'const paced = Math.min(1, curable',
  },
  {
    name: 'proof: a grant proves nothing',
    file: 'token/book.ts',
    from: 'provenUntil: now + PROOF }',
    to: 'provenUntil: now }',
  },
  {
    name: 'budget: a refused login is tried again at once',
    file: 'token/book.ts',
    from: 'const pause = Math.max(asked, longest',
    to: 'const pause = Math.min(asked, longest',
  },
  {
    name: 'budget: the book is written after the login',
    file: 'token/book.ts',
    from: 'const isWritten = await book.write(credentials, begun(before, now, ask.why))',
    to: 'const isWritten = begun(before, now) !== before',
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
    from: 'this.#boundary = this.#socket.bytesRead\n    this.#place?.idle()',
    to: 'this.#boundary = this.#socket.bytesRead',
  },
  {
    name: 'gate: the newest connection is closed',
    file: 'listener/gate.ts',
    from: 'if (place.idleSince < (longest?.[1].idleSince ?? Infinity))',
    to: 'if (place.idleSince < Infinity)',
  },
  {
    name: 'gate: a call is in flight with half of its body',
    file: 'proxy/app.ts',
    from: 'else forward(env)',
    to: "else {\n inFlight += 1\n env.response.once('close', () => (inFlight -= 1))\n forward(env)\n }",
  },
  {
    name: 'gate: heads are read ahead of a call in progress',
    file: 'listener/connections.ts',
    from: 'if (this.#ahead > 0) this.#socket.pause()',
    to: '',
  },
  {
    name: "adoption: another replica's token counts as new",
    file: 'sharing/seal.ts',
    from: 'sentAt: now - age }',
    to: 'sentAt: now - 0 * age }',
  },
  {
    name: "adoption: nobody waits for another replica's token",
    file: 'sharing/share.ts',
    from: "return { deferred: 'busy', ms: look }",
    to: 'return undefined',
  },
  {
    name: 'sharing: a late put is accepted',
    file: 'sharing/cell.ts',
    from: "if ARGV[1] == '' or redis.call('GET', KEYS[2]) ~= ARGV[1] then",
    to: "if ARGV[1] == '' then",
    search: true,
  },
  {
    name: 'sharing: the lease of others is ignored',
    file: 'sharing/cell.ts',
    from: 'if not isMine and left >= 0',
    to: 'if false and left >= 0',
    search: true,
  },
  {
    name: 'sharing: the pause of others is ignored',
    file: 'token/book.ts',
    from: ": { deferred: 'paused', ms, backoff: 'transient' }",
    to: ': undefined',
    search: true,
  },
  {
    name: 'sharing: an older token is taken',
    file: 'sharing/shared-token.ts',
    from: 'there.number < highest || !isUsable(there, now)) return false\n  return ours === undefined || isNewer(there, ours)',
    to: 'highest < 0 || !isUsable(there, now)) return false\n  return ours !== null',
    search: true,
  },
  {
    name: 'sharing: the shared book is not written',
    file: 'sharing/share.ts',
    from: '...seal.closeEntry(key, entry, clock.now()) }',
    to: "...seal.closeEntry(key, entry, clock.now()), value: '' }",
  },
  {
    name: 'sharing: the shared book is not read',
    file: 'sharing/seal.ts',
    from: 'if (entry === undefined || ms > lifeOfEntry(entry)) return NO_ENTRY',
    to: 'if (entry === undefined || ms !== 0.5) return NO_ENTRY',
  },
  {
    name: 'budget: the book has no lock',
    file: 'token/book.ts',
    from: 'const unlock = await book.lock(ask.signal)\n    const outcome',
    to: 'const unlock = NO_LOCK\n    const outcome',
  },
  {
    name: 'budget: an operator gets a fifth login in 15 min',
    file: 'token/book.ts',
    from: 'endsPause ? Math.min(notBefore, fullUntil)',
    to: 'endsPause ? Math.min(notBefore, 0 * now)',
  },
  {
    name: 'budget: each ask of an operator is a login',
    file: 'token/logins.ts',
    from: ': Math.max(now, askedAt + ASKED_APART)',
    to: ': Math.max(now, askedAt)',
  },
  {
    name: 'drain: a connection is kept',
    file: 'server.ts',
    from: 'await upstream.destroy()',
    to: '',
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
    from: 'apply(credentialsChanged, by)',
    to: '',
  },
]

/** Names of those whose text is not there exactly once any more. */
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
