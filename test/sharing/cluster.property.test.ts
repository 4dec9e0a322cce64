import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCluster, seeded, type Cluster } from './cluster.ts'

/** What happens to the cluster, each followed by `wait` milliseconds of calls. */
type Act =
  | { readonly do: 'revoke' | 'flush' | 'roll-back' | 'lose-messages' | 'change-password' }
  | { readonly do: 'store-down' | 'store-slow' | 'isales-down'; readonly ms: number }
  | { readonly do: 'cut-off' | 'freeze' | 'restart' | 'freeze-asking'; readonly replica: number }

type Step = Act & { readonly wait: number }

const waits = constantFrom(0, 100, 1000, 7000, 60_000)
const replicas = integer({ min: 0, max: 3 })
const durations = constantFrom(1000, 20_000, 120_000)

const HARMLESS: Arbitrary<Step> = oneof(
  record({
    do: constantFrom<'revoke' | 'lose-messages' | 'change-password'>(
      'revoke',
      'lose-messages',
      'change-password',
    ),
    wait: waits,
  }),
  record({ do: constantFrom<'isales-down'>('isales-down'), ms: durations, wait: waits }),
  record({ do: constantFrom<'restart'>('restart'), replica: replicas, wait: waits }),
)

const ANY: Arbitrary<Step> = oneof(
  HARMLESS,
  record({ do: constantFrom<'flush' | 'roll-back'>('flush', 'roll-back'), wait: waits }),
  record({
    do: constantFrom<'store-down' | 'store-slow'>('store-down', 'store-slow'),
    ms: durations,
    wait: waits,
  }),
  record({
    do: constantFrom<'cut-off' | 'freeze' | 'freeze-asking'>('cut-off', 'freeze', 'freeze-asking'),
    replica: replicas,
    wait: waits,
  }),
)

interface Run {
  readonly cluster: Cluster
  readonly broken: string[]
}

function open(seed: number): Run {
  const cluster = openCluster(4, seeded(seed + 1))
  const { broken } = cluster
  cluster.watch = ({ source }) => {
    const token = source.atHand()?.token
    const sent = source.current()
    if (sent !== undefined && cluster.clock.now() >= sent.expiresAt) {
      broken.push('no token is sent after its end')
    }
    if (token !== undefined && !cluster.isales.grantedAt.has(token.token.reveal())) {
      broken.push('every token was granted by iSales')
    }
  }
  return { cluster, broken }
}

async function pass(cluster: Cluster, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const replica of cluster.replicas) {
      void replica.call()
      cluster.watch?.(replica)
    }
    await cluster.clock.advance(Math.min(1000, ms - passed))
  }
}

let passwords = 0

async function perform({ cluster }: Run, step: Step): Promise<void> {
  const { store, isales } = cluster
  const chosen = 'replica' in step ? cluster.replicas[step.replica % 4] : undefined
  switch (step.do) {
    case 'revoke':
      isales.revoke()
      break
    case 'flush':
      store.flush()
      break
    case 'roll-back':
      store.rollBack()
      break
    case 'lose-messages':
      store.quiet = !store.quiet
      break
    case 'change-password': {
      const password = `right ${(passwords += 1)}`
      isales.passwords.add(password)
      for (const replica of cluster.replicas) {
        replica.changePassword(password)
        await pass(cluster, 2000)
      }
      break
    }
    case 'store-down':
      store.backUp()
      store.down = 'unreachable'
      await pass(cluster, step.ms)
      store.down = undefined
      store.reconnect()
      break
    case 'store-slow':
      store.latency = 600
      await pass(cluster, step.ms)
      store.latency = 1
      break
    case 'isales-down':
      isales.down = true
      await pass(cluster, step.ms)
      isales.down = false
      break
    case 'cut-off':
      if (chosen === undefined) break
      store.cutOff.add(chosen.index)
      await pass(cluster, 30_000)
      store.cutOff.clear()
      store.reconnect()
      break
    case 'freeze':
    case 'freeze-asking': {
      const asking = cluster.replicas.find(({ source }) => source.snapshot().exchange !== undefined)
      const frozen = step.do === 'freeze' ? chosen : (asking ?? chosen)
      frozen?.freeze()
      await pass(cluster, 10_000)
      frozen?.thaw()
      break
    }
    case 'restart': {
      const [stopped] = cluster.replicas.splice(step.replica % 4, 1)
      const end = { reached: stopped === undefined }
      void stopped?.stop().then(() => (end.reached = true))
      // An operation of a slow store may be in flight.
      while (!end.reached) await cluster.clock.advance(10)
      cluster.add([...isales.passwords].at(-1))
      break
    }
  }
  await pass(cluster, step.wait)
}

async function expectOneToken({ cluster, broken }: Run): Promise<void> {
  cluster.store.quiet = false
  await pass(cluster, 200_000)
  const tokens = cluster.replicas.map(({ source }) => source.current()?.token.reveal())
  expect(new Set(tokens).size).toBe(1)
  expect(tokens[0]).toBeDefined()
  expect(cluster.isales.accepts(tokens[0] ?? '')).toBe(true)
  expect(broken).toEqual([])
  const stopping = cluster.replicas.map((replica) => replica.stop())
  await cluster.clock.advance(3000)
  await Promise.all(stopping)
  expect(cluster.clock.waiting()).toEqual([])
  expect(cluster.store.state.has('lease')).toBe(false)
}

const RUNS = process.env['CI'] === 'true' ? 300 : 100

/** Runs four replicas through random steps, and looks at how they end. */
function whatever(steps: Arbitrary<Step>, expectEnd: (run: Run) => Promise<void>): Promise<void> {
  return assert(
    asyncProperty(
      array(steps, { maxLength: 8 }),
      integer({ min: 0, max: 1e6 }),
      async (taken, seed) => {
        const run = open(seed)
        await pass(run.cluster, 2000)
        for (const step of taken) await perform(run, step)
        await expectEnd(run)
      },
    ),
    { numRuns: RUNS },
  )
}

describe('whatever happens to replicas that share a token', () => {
  it('never two of them ask iSales at a time, unless the store fails or one of them stands still', async () => {
    await whatever(HARMLESS, async (run) => {
      await expectOneToken(run)
      expect(run.cluster.isales.most).toBe(1)
    })
  }, 120_000)

  it('all have one good token minutes after the last of it', async () => {
    await whatever(ANY, expectOneToken)
  }, 120_000)
})
