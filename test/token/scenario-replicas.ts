// Replicas of the token source with what stands behind it: the book in memory, and the cell of a store in memory.
import { Secret } from '../../src/config/secret.ts'
import type { Cell } from '../../src/sharing/cell.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare } from '../../src/sharing/share.ts'
import { withBook } from '../../src/token/book.ts'
import { openBook } from '../../src/token/book-file.ts'
import type { IsalesClient } from '../../src/token/protocol.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { createTokenSource } from '../../src/token/source.ts'
import { swapped } from '../simulation/swap.ts'
import type { ManualClock } from '../support/manual-clock.ts'
import { ATTEMPTS, RULES } from './support.ts'

/** Milliseconds of one operation of the store. */
const STORE_LATENCY = 1

export function openStore(clock: ManualClock) {
  let value = ''
  const connect = (): Cell => ({
    async swap(seen, next) {
      await clock.sleep(STORE_LATENCY)
      value = swapped(value, seen, next)
      return { value, at: clock.now() + 1e12 }
    },
    start: (look) => look(),
    stop() {},
  })
  return { connect }
}

export interface ReplicaOptions {
  readonly clock: ManualClock
  readonly random: () => number
  readonly client: IsalesClient
  readonly store: ReturnType<typeof openStore> | undefined
  readonly observe: (event: TokenEvent) => void
}

export function openReplica({ clock, random, client, store, observe }: ReplicaOptions) {
  const nothing = { onTrouble() {}, onExposed() {} }
  const book = openBook({ directory: undefined, clock, wallClock: clock.now, ...nothing })
  const logins = { client, book, rules: ATTEMPTS, clock, random }
  const seal = createSeal(new Secret('k'.repeat(40)), 'https://isales.test', 'obs')
  const share = store && createShare({ ...logins, cell: store.connect(), seal, onUnreadable() {} })
  const source = createTokenSource({
    rules: RULES,
    clock,
    random,
    client: share?.client ?? withBook(logins),
    learnsWithin: share?.learnsWithin,
    credentials: { user: 'obs', password: new Secret('right') },
    observe,
  })
  share?.start(source.adopt)
  source.start()
  return source
}
