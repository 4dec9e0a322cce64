import { systemClock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { logInShared } from '../sharing/index.ts'
import {
  askOnce,
  loginOnce,
  memoryBook,
  openBookFile,
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
  readonly note?: Said
  /** It is in the shared store, so it is not refreshed. */
  readonly shared?: boolean
  /** Why the book in `STATE_DIR` does not know of it. */
  readonly uncounted?: Failure | undefined
}

/** The book in `STATE_DIR`, and why it does not know of a login. */
function openBook({ stateDir: directory, isalesLoginTimeout: loginTimeout }: Config) {
  let uncounted: Failure | undefined
  const onTrouble = (why: Failure | undefined): void => {
    uncounted = why
  }
  const parts = { loginTimeout, clock: systemClock, wallClock: Date.now, onTrouble, onExposed() {} }
  const store = directory === undefined ? memoryBook() : openBookFile({ ...parts, directory })
  return { store, uncounted: () => uncounted }
}

/** For this process alone. */
export async function logInAlone(
  config: Config,
  client: IsalesClient,
  { signal }: Pick<Io, 'signal'>,
  { store: book, uncounted } = openBook(config),
): Promise<CommandLogin> {
  const { isalesUser: user, isalesPassword: password } = config
  const parts = { client, book, rules: config, clock: systemClock, random: Math.random }
  const outcome = await withBook(parts)(loginOnce({ user, password }, askOnce(signal)))
  return { outcome, uncounted: uncounted() }
}

/** Under the lease of the shared store, where there is one, so that replicas take the new token. */
export async function logInForReplicas(
  config: Config,
  client: IsalesClient,
  io: Pick<Io, 'signal' | 'env'>,
): Promise<CommandLogin> {
  const book = openBook(config)
  const login = await logInShared(config, client, book.store, askOnce(io.signal))
  const { check, stores } = wordsOf(io.env)
  if (login === undefined) {
    const alone = await logInAlone(config, client, io, book)
    // Only in a cluster are several replicas likely.
    const inCluster = io.env['KUBERNETES_SERVICE_HOST'] !== undefined
    return inCluster ? { ...alone, note: [check.noStore, ''] } : alone
  }
  const { outcome, store, others = 0 } = login
  const why = store.reason && stores[store.reason](placesOf(config).hosts.store)
  const note: Said =
    why === undefined
      ? [others === 0 ? check.noListener : check.listeners(others), '']
      : [check.storeAlone(why[0]), why[1]]
  return { outcome, note, shared: store.state !== 'alone', uncounted: book.uncounted() }
}
