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
import { wordsOf, type Failure, type Said } from '../words/index.ts'
import type { Io } from './io.ts'

/** One login of a command. It is counted in the book, and waits for the pauses there. */
export interface CommandLogin {
  readonly outcome: Outcome
  /** What is to be said of the shared store, and what is to be done about it. */
  readonly note?: Said | undefined
  /** It is in the shared store, so it is not refreshed. */
  readonly isShared: boolean
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
  const { check, stores } = wordsOf(env)
  // Those of the clock keep no process, and the login of another one may be waited for.
  const alive = setInterval(() => undefined, MINUTE)
  const shared = await logInShared(config, client, book, askOnce(signal))
  if (shared === undefined) {
    const parts = { client, book, rules: config, clock: systemClock, random: Math.random }
    const outcome = await withBook(parts)(loginOnce({ user, password }, askOnce(signal)))
    clearInterval(alive)
    // Only in a cluster are several replicas likely.
    const inCluster = env['KUBERNETES_SERVICE_HOST'] !== undefined
    return {
      outcome,
      note: inCluster ? [check.noStore, ''] : undefined,
      isShared: false,
      uncounted,
    }
  }
  clearInterval(alive)
  const { outcome, store } = shared
  const why = store.reason && stores[store.reason](placesOf(config).hosts.store, store.code)
  const note: Said = why === undefined ? [check.storeWorks, ''] : [check.storeAlone(why[0]), why[1]]
  return { outcome, note, isShared: store.state !== 'alone', uncounted }
}
