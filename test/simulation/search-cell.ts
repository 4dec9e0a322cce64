// The store of the exhaustive search: the scripts of the program on keys that are not sealed.
import { ID_LENGTH, type Reply } from '../../src/sharing/cell.ts'
import type { SharedToken } from '../../src/sharing/shared-token.ts'
import { Secret } from '../../src/config/secret.ts'
import { NO_ENTRY, type Entry } from '../../src/token/book.ts'
import type { Grant } from '../../src/token/protocol.ts'
import { LuaCell } from './lua.ts'

export type Keys = LuaCell['keys']
export const LIFETIME = 3_600_000
export const BOOK = 'book:f'

/** An entry that is not sealed. Of its times only counts whether they are to come. */
export const written = ({ attempts, notBefore, provenUntil }: Entry): string =>
  `${attempts} ${notBefore > 0} ${provenUntil > 0}`.padEnd(ID_LENGTH, '-')
export function entryOf(value: string): Entry {
  const [attempts, waits, proven] = value.replaceAll('-', '').split(' ')
  if (value === '') return NO_ENTRY
  const until = (holds: string | undefined): number => (holds === 'true' ? LIFETIME : -Infinity)
  return {
    attempts: Number(attempts),
    refusals: 0,
    fullUntil: -Infinity,
    notBefore: until(waits),
    provenUntil: until(proven),
  }
}

export const numberOf = (secret: Secret | undefined): number => Number(secret?.reveal() ?? 0)
export const grantOf = (token: number): Grant => ({
  token: new Secret(String(token)),
  refreshToken: new Secret(String(token)),
  sentAt: 0,
  lifetime: { ms: LIFETIME },
})
export const sharedToken = (token: number, number: number): SharedToken => ({
  grant: grantOf(token),
  number,
  fingerprint: 'f',
  login: true,
})
/** A token that is not sealed: itself and its number, as long as an id. */
export const seal = ({ grant, number }: SharedToken): string =>
  `${numberOf(grant.token)} ${number} `.padEnd(ID_LENGTH, '-')
export function open(value: string): SharedToken | undefined {
  const [token = 0, number = 0] = value.split(' ').map(Number)
  return value === '' ? undefined : sharedToken(token, number)
}

/** By the store, what is done to it and the arguments: what came of it. The interpreter takes its time. */
const done = new Map<string, { readonly reply: Reply; readonly store: Keys }>()

/** What an operation on the store gives, and the store after it. */
export function perform(
  store: Keys,
  script: 'claim' | 'put',
  args: Parameters<LuaCell['claim']>[0] | Parameters<LuaCell['put']>[0],
) {
  const key = JSON.stringify([[...store], script, args])
  let found = done.get(key)
  if (found === undefined) {
    const cell = new LuaCell(() => 0)
    cell.keys = new Map(store)
    const reply = Reflect.apply(cell[script], cell, [args])
    found = { reply, store: cell.keys }
    done.set(key, found)
  }
  return found
}

export const putBook = (store: Keys, lease: string, entry: Entry, release: boolean) =>
  perform(store, 'put', { lease, key: BOOK, value: written(entry), ms: LIFETIME, release })
export const putToken = (store: Keys, lease: string, value: string) =>
  perform(store, 'put', { lease, key: 'token', value, ms: LIFETIME, release: true })
export const release = (store: Keys, lease: string) =>
  perform(store, 'put', { lease, key: BOOK, value: '', ms: 0, release: true })
export const tokenIn = (store: Keys): string => store.get('token')?.value ?? ''
