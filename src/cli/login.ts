import { MINUTE, systemClock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { logInShared } from '../sharing/index.ts'
import {
  askOnce,
  loginOnce,
  openBook,
  withBook,
  type IsalesClient,
  type Outcome,
} from '../token/index.ts'
import { placesOf } from '../upstream/index.ts'
import { explainedStore, type Explained, type Failure } from '../words/index.ts'
import type { Io } from './io.ts'

/** One login of a command. It is counted in the book, and waits for the pauses there. */
export interface CommandLogin {
  readonly outcome: Outcome
  /** Undefined: none is configured. */
  readonly store: { readonly isShared: boolean; readonly why: Explained | undefined } | undefined
  /** What else is to be said of it. */
  readonly note: Explained | undefined
  /** Why the book in `STATE_DIR` does not know of it. */
  readonly uncounted: Failure | undefined
}

/** Where there is a shared store, replicas take the new token. */
export async function logIn(
  config: Config,
  client: IsalesClient,
  { signal, env }: Pick<Io, 'signal' | 'env'>,
): Promise<CommandLogin> {
  const { stateDir: directory, isalesUser: user, isalesPassword: password } = config
  let uncounted: Failure | undefined
  const book = openBook({
    directory,
    clock: systemClock,
    wallClock: Date.now,
    onTrouble: (why) => (uncounted = why),
    onExposed() {},
  })
  // Those of the clock keep no process, and the login of another one may be waited for.
  const alive = setInterval(() => undefined, MINUTE)
  const shared = await logInShared(config, client, book, askOnce(signal))
  if (shared === undefined) {
    const parts = { client, book, rules: config, clock: systemClock, random: Math.random }
    const outcome = await withBook(parts)(loginOnce({ user, password }, askOnce(signal)))
    clearInterval(alive)
    // Only in a cluster are several replicas likely.
    const inCluster = env['KUBERNETES_SERVICE_HOST'] !== undefined
    const note: Explained | undefined = inCluster ? { code: 'not-shared', facts: [] } : undefined
    return { outcome, store: undefined, note, uncounted }
  }
  clearInterval(alive)
  const { outcome, store } = shared
  const isShared = store.state !== 'alone'
  const why = isShared ? undefined : explainedStore(store, placesOf(config))
  return { outcome, store: { isShared, why }, note: undefined, uncounted }
}
