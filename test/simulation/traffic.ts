// The calls of all clients, drawn from a generator of their own.
import { createClient, type Client, type Manner } from './client.ts'
import type { Judge } from './judge.ts'
import { hashOf, randomOf, seeded, type Random } from './loop.ts'
import type { Plan } from './plan.ts'
import type { World } from './stage.ts'

const MIN_CLIENTS = 4
/** Of one client: it may be waiting, or stall. */
const MAX_CALLS_A_SECOND = 2
/** Milliseconds between two calls of a rush. */
const RUSH_GAP = 100
/** Milliseconds between two calls of a client that polls. */
const POLL_GAP = 200
/** What CTI-OBS sends. */
const PLAIN: Manner = { kind: 'json', bytes: 0, pause: 0, hangUp: undefined, patience: 0 }

export type Traffic = ReturnType<typeof startTraffic>

export function startTraffic(
  plan: Plan,
  world: Pick<World, 'clients' | 'ports' | 'note'>,
  judge: Judge,
) {
  const { clients: machine, ports } = world
  const random = randomOf(seeded(hashOf(`${plan.seed} traffic`)))
  const rushed = randomOf(seeded(hashOf(`${plan.seed} rush`)))
  const clients: Client[] = []
  let stopped = false
  let calm = false
  let quietUntil = 0

  const add = (name: string, replica: number, onStatus?: (status: number) => void): Client => {
    const client = createClient({
      name,
      port: ports.proxy(replica),
      replica,
      machine,
      onCall(call) {
        const { id, heard, status, code = '', sent = '' } = call
        world.note(`call ${id} ${heard} ${status} ${code} ${sent}`)
        judge.called(call)
        onStatus?.(status)
      },
      onExtra: (id, bytes) =>
        judge.find(1, machine.time(), `more than one response after ${id}: ${bytes}`),
    })
    clients.push(client)
    return client
  }

  const needed = Math.ceil(plan.rate / plan.replicas / MAX_CALLS_A_SECOND)
  const count = plan.replicas * Math.max(MIN_CLIENTS, needed)
  const gap = (count * 1000) / plan.rate
  for (let nth = 0; nth < count; nth += 1) {
    const replica = nth % plan.replicas
    // A letter.
    const name = (10 + Math.floor(nth / plan.replicas)).toString(36)
    const client = add(`${replica}${name}`, replica)
    const next = (): void => {
      if (stopped || (calm && nth >= plan.replicas)) return
      // The numbers are drawn in any case: what the proxy does must not change the traffic.
      const manners = mannersOf(random)
      if (!client.busy() && machine.time() >= quietUntil) client.send(manners)
      machine.later(gap * (0.5 + random.between(0, 1000) / 1000), next)
    }
    machine.later(random.between(0, Math.ceil(gap)), next)
  }

  /** Of clients that wait for nothing, in turn. */
  function rush(until: number, nth = 0): void {
    if (stopped || machine.time() >= until) return
    const client = clients[nth % clients.length]
    const manners = mannersOf(rushed)
    if (client?.busy() === false) client.send(manners)
    machine.later(RUSH_GAP, () => rush(until, nth + 1))
  }

  /** A client of each replica. */
  const pollers = new Map<number, Client>()
  function poll(until: number): void {
    if (stopped || machine.time() >= until) return
    for (let replica = 0; replica < plan.replicas; replica += 1) {
      const client = pollers.get(replica) ?? add(`${replica}p`, replica)
      pollers.set(replica, client)
      if (!client.busy()) client.send([PLAIN])
    }
    machine.later(POLL_GAP, () => poll(until))
  }

  return {
    /** Calls of the path that is public meanwhile. */
    poll: (ms: number) => poll(machine.time() + ms),
    /** More calls for so many milliseconds. */
    rush: (ms: number) => rush(machine.time() + ms),
    /** No calls for so many milliseconds, but those of a rush. */
    quiet: (ms: number) => void (quietUntil = machine.time() + ms),
    /** One client of each replica goes on: enough to show whether it has recovered. */
    calm: () => void (calm = true),
    stop: () => void (stopped = true),
    busy: () => clients.filter((client) => client.busy()).length,
    /** One plain call for each replica. */
    probe: () => {
      const first = clients.length
      return Array.from({ length: plan.replicas }, (_, replica) => {
        const heard = { replica, status: 0 }
        add(`probe${first + replica}`, replica, (status) => (heard.status = status)).send([PLAIN])
        return heard
      })
    },
    close: () => clients.forEach((client) => client.close()),
  }
}

/** What a client sends next: mostly one call, as CTI-OBS does. */
function mannersOf(random: Random): readonly Manner[] {
  const count = random.chance(0.1) ? random.between(2, 4) : 1
  return Array.from({ length: count }, () => mannerOf(random, count === 1))
}

const KINDS: readonly [Manner['kind'], ...Manner['kind'][]] = [
  'json',
  'json',
  'json',
  'json',
  'json',
  'json',
  'json',
  'probe',
  'probe',
  'probe',
  'chunked',
  'chunked',
  'get',
  'get',
  'upload',
  'expect',
  'unusual',
]

function mannerOf(random: Random, alone: boolean): Manner {
  const kind = random.chance(0.01) ? 'garbage' : random.pick(KINDS)
  const bytes = random.between(1, random.pick([100, 10_000, 70_000, 200_000]))
  const leaves = random.chance(0.08)
  const hangUp = random.pick([
    'in-request',
    'stall',
    'waiting',
    'waiting',
    'in-response',
    'half',
  ] as const)
  const patience = random.pick([1, 5, 20, 100, 700, 2500])
  const pause = random.chance(0.05) ? random.pick([1, 50, 600]) : 0
  // What stands between two others neither ends early nor pauses: its parts would come between theirs.
  return {
    kind,
    bytes,
    pause: alone ? pause : 0,
    hangUp: leaves && alone ? hangUp : undefined,
    patience,
  }
}
