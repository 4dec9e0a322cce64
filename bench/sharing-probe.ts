// One replica of `sharing.ts` in a process of its own, as a pod has one. It says when it has adopted a token, and
// claims what it cannot get, ten times a second, to see how long a claim takes.
import { setInterval } from 'node:timers/promises'
import { monotonic, openReplica, type Granted } from './sharing-replica.ts'

/** From `sharing.ts`. */
export type ToProbe = { readonly granted: Granted } | { readonly end: true }
/** To `sharing.ts`. */
export type FromProbe =
  | { readonly ready: true }
  | { readonly asks: 'logins' | 'refreshes' }
  | { readonly adopted: string; readonly at: number }
  | { readonly claims: readonly number[] }

const CLAIM_EVERY = 100
const [index, port] = process.argv.slice(2).map(Number)
const send = (message: FromProbe): void => void process.send?.(message)
const claims: number[] = []
let resolveGrant: ((granted: Granted) => void) | undefined

const replica = await openReplica({
  index: index ?? 0,
  port: port ?? 0,
  ask: (_, operation) =>
    new Promise((resolve) => {
      resolveGrant = resolve
      send({ asks: operation })
    }),
  onAdopted: (adopted) => send({ adopted, at: monotonic() }),
  onClaim: (ms) => claims.push(ms),
})

process.on('message', (message: ToProbe) => {
  if ('granted' in message) return resolveGrant?.(message.granted)
  void replica
    .stop()
    .then(() => process.send?.({ claims } satisfies FromProbe, () => process.exit()))
})
replica.source.start()
send({ ready: true })

for await (const _ of setInterval(CLAIM_EVERY, undefined, { ref: false })) {
  // Nobody has seen this token, so that the claim takes no lease.
  const lease = `${String(index).padStart(16, 'c')}-1`
  await replica.cell.claim({ seen: 'x'.repeat(16), lease, book: 'book' })
}
