// Replicas of the token source with what stands behind it: the book in memory, and the cell of a store in memory.
import { Secret } from '../../src/config/secret.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { Cell } from '../../src/sharing/cell.ts'
import { memoryBook, withBook } from '../../src/token/book.ts'
import type { IsalesClient } from '../../src/token/client.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import { createTokenSource } from '../../src/token/source.ts'
import { LuaCell } from '../simulation/lua.ts'
import type { VirtualClock } from './scenario-world.ts'
import { ATTEMPTS, RULES } from './support.ts'

/** Milliseconds of one operation of the store. */
const STORE_LATENCY = 1

export function openStore(clock: VirtualClock) {
  const cell = new LuaCell(clock.now)
  const listeners = new Set<() => void>()
  const later = async <T>(run: () => T): Promise<T> => {
    await clock.sleep(STORE_LATENCY)
    return run()
  }
  const connect = (): Cell => ({
    claim: (asked) => later(() => cell.claim(asked)),
    put: (asked) => later(() => cell.put(asked)),
    read: () => later(() => cell.read()),
    publish: () => later(() => listeners.forEach((look) => look())),
    replicas: () => later(() => listeners.size),
    start: (look) => void listeners.add(look),
    stop() {},
  })
  return { connect }
}

export interface ReplicaOptions {
  readonly clock: VirtualClock
  readonly random: () => number
  readonly client: IsalesClient
  readonly store: ReturnType<typeof openStore> | undefined
  readonly observe: (event: TokenEvent) => void
}

export function openReplica({ clock, random, client, store, observe }: ReplicaOptions) {
  const logins = { client, book: memoryBook(), rules: ATTEMPTS, clock, random }
  const seal = createSeal(new Secret('k'.repeat(40)), 'https://isales.test', 'obs')
  const share = store && createShare({ ...logins, cell: store.connect(), seal, observe() {} })
  const source = createTokenSource({
    rules: RULES,
    clock,
    random,
    client: share?.client ?? withBook(logins),
    credentials: { user: 'obs', password: new Secret('right') },
    observe,
  })
  share?.start(source.adopt)
  source.start()
  return source
}
