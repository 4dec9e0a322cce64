// A replica of `sharing.ts` in its own process, as in a pod. Reports adopted tokens, and every 100 ms tries to swap a
// value that does not exist, to measure the duration of a swap.
import { setInterval } from 'node:timers/promises'
import { monotonic, openReplica, type Granted } from './sharing-replica.ts'

/** From `sharing.ts`. */
export type ToProbe = { readonly granted: Granted } | { readonly end: true }
/** To `sharing.ts`. */
export type FromProbe =
  | { readonly ready: true }
  | { readonly asks: 'logins' | 'refreshes' }
  | { readonly adopted: string; readonly at: number }
  | { readonly swaps: readonly number[] }

const SWAP_EVERY = 100
const [index, port] = process.argv.slice(2).map(Number)
const send = (message: FromProbe): void => void process.send?.(message)
const swaps: number[] = []
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
  onSwap: (ms) => swaps.push(ms),
})

process.on('message', (message: ToProbe) => {
  if ('granted' in message) return resolveGrant?.(message.granted)
  void replica
    .stop()
    .then(() => process.send?.({ swaps } satisfies FromProbe, () => process.exit()))
})
replica.source.start()
send({ ready: true })

for await (const _ of setInterval(SWAP_EVERY, undefined, { ref: false })) {
  // No replica wrote this value, so that nothing changes.
  await replica.store.compareAndSwap('x'.repeat(500), 'y'.repeat(500))
}
