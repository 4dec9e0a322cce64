// Performs the acts of a plan in a world, and opens the spans that excuse their effects.
import { isCommand, runCommand } from '../../simulator/server.ts'
import { COMMON_PATH, hold, PROBED_PATH, type Traffic } from './clients.ts'
import type { Judge } from './judge.ts'
import {
  lengthOf,
  LOOP,
  nameOf,
  type Act,
  type Kind,
  type LinkName,
  type StoreFault,
} from './plan.ts'
import {
  FIRST_PASSWORD,
  ISALES_LATENCY,
  PASSWORD_MARK,
  type Replica,
  type Store,
  type World,
} from './stage.ts'
import type { Span } from './wire.ts'

/** Seconds; longer than a run. */
export const LONG = 600

/** Acts that end a token early. */
const ENDS_TOKEN: ReadonlySet<string> = new Set(['revoke', 'storm'])
/** Acts that cut long responses of iSales. */
const CUTS: ReadonlySet<string> = new Set(['outage', 'disconnect'])
/** Acts after which a login in flight may count as failed, or the login-attempt record may be older. */
const UNPROVES: ReadonlySet<string> = new Set(['kill', 'terminate', 'crash-loop', 'disk'])

export function createStage<R extends Replica>(
  world: World<R>,
  judge: Judge,
  { traffic, begin }: { readonly traffic: Traffic; readonly begin: (replica: R) => void },
) {
  const { isales, store, replicas, machine } = world
  const { time, later } = machine
  let changes = 1
  let password = FIRST_PASSWORD
  /** When the file has the right password again. */
  let wrongUntil = -Infinity
  /** When the disk of a replica is writable again. */
  const fullUntil = new Map<number, number>()
  const until = (kind: string, ms: number): Span => judge.open(kind, time(), time() + ms)
  const unreached = (ms: number): void => {
    until('no-login', ms)
    judge.unreached(time() + ms, time())
  }
  const storeAway = (ms: number): void => {
    // Each replica may log in once alone.
    until('store', ms + 5000).uncounted = replicas.length
  }
  const storeForgets = (forget: () => void): void => {
    until('store', 5000)
    judge.attemptsForgotten()
    forget()
  }
  const away = (replica: R, ms: number): Span => until(`replica-${replica.index}`, ms)
  const tell = (name: string, input: object): void => {
    if (isCommand(name)) world.atIsales(() => runCommand(isales, name, input))
  }
  /** Makes a change now, and reverts it after `ms`. */
  const forSome = (ms: number, change: (isOver: boolean) => void): void => {
    change(false)
    later(ms, () => change(true))
  }
  const setPassword = (password: string): void => {
    judge.changed(password, time())
    world.setPassword(password)
  }
  const setFile = (suffix: string): void => setPassword(`${PASSWORD_MARK}-${suffix}`)
  judge.changed(password, time())

  function newPassword(): void {
    changes += 1
    password = `${PASSWORD_MARK}-${changes}`
  }

  function restart(replica: R): void {
    // A full disk does not hold the last login.
    if (time() < (fullUntil.get(replica.index) ?? 0)) judge.attemptsUnrecorded(1)
    begin(replica)
  }

  /** Runs the act unless the replica is stopped. */
  const to =
    <Input extends { readonly replica: number }>(run: (replica: R, input: Input) => void) =>
    (input: Input): void => {
      const replica = replicas[input.replica]
      if (replica !== undefined && replica.phase !== 'stopped') run(replica, input)
    }

  /** Excuses a cut until it happens, and its effects. A cut to the store loses a write, and leaves a lease. */
  function untilCut(link: LinkName): void {
    const isStore = link === 'store'
    const span = judge.open(isStore ? 'store' : 'cut', time())
    const look = (): void => {
      const isWaiting = world.links(link).some(({ cutAfter }) => cutAfter !== undefined)
      if (isWaiting) later(100, look)
      else span.to = time() + (isStore ? 5000 : 1000)
    }
    look()
  }

  const storeFaults: Readonly<Record<StoreFault, (shared: Store, ms: number) => void>> = {
    killed(shared, ms) {
      storeAway(ms)
      if (!shared.isUp()) return
      judge.attemptsForgotten()
      forSome(ms, (isOver) => (isOver ? shared.up() : shared.down()))
    },
    frozen(shared, ms) {
      storeAway(ms)
      forSome(ms, (isOver) => (isOver ? shared.thaw() : shared.freeze()))
    },
    emptied: (shared) => storeForgets(() => shared.flush()),
    'rolled-back': (shared) => storeForgets(() => shared.rollBack?.()),
  }
  const acts: { readonly [One in Kind]: (act: Act<One>) => void } = {
    command({ command, input }) {
      tell(command, input)
      if (command === 'slow') judge.open('slow', time())
      if ('refreshLifetime' in input) judge.refreshTokensLast(input['refreshLifetime'])
      if (Number(input['tokenLifetime'] ?? 60) < 30) judge.open('short-lives', time())
      // The password in the file does not help.
      if (command === 'revokeRefresh') judge.open('refresh-ended', time())
      if (command === 'revokeRefresh') until('no-login', wrongUntil - time() + 3000)
      if (command === 'blackHole') unreached(Number(input['seconds']) * 1000)
    },
    rotate({ first, gap, ends }) {
      newPassword()
      const there = (): void => {
        isales.set({ password })
        if (!ends) return
        until('token-ended', 0)
        tell('revoke', {})
        tell('revokeRefresh', {})
      }
      const here = (): void => setPassword(password)
      const [one, other] = first === 'isales' ? [there, here] : [here, there]
      one()
      if (gap === 0) other()
      else later(gap, other)
      until('no-login', gap + 5000)
    },
    'wrong-file'({ ms }) {
      // The refresh token may have ended, and credentials that iSales rejected before wait for their next login.
      if (Number(isales.switches.refreshLifetime) < LONG) until('no-login', ms)
      wrongUntil = time() + ms
      setFile(`wrong-${ms % 2}`)
      later(ms, () => {
        setPassword(password)
        // Until the proxy notices the change.
        until('no-login', 3000)
      })
    },
    'crash-loop': to((replica, { ms, times }) => {
      const length = times * LOOP
      setFile('loop')
      until('no-login', length + 5000)
      away(replica, length + 2000)
      const again = (): void => {
        world.kill(replica)
        restart(replica)
      }
      for (let nth = 0; nth < times; nth += 1) {
        later(nth * LOOP, again)
        later(nth * LOOP + ms, () => world.kill(replica))
      }
      later(length, () => {
        setPassword(password)
        again()
      })
    }),
    hold: ({ holding, ms, replica }) => hold(holding, ms, world, { judge, replica }),
    plain: ({ as, ms }) => traffic.plain(as, ms),
    rush: ({ ms }) => traffic.rush(ms),
    quiet: ({ ms }) => traffic.quiet(ms),
    storm: ({ ms }) => isales.failBusiness({ status: 401, seconds: ms / 1000 }),
    forbid({ ms, status, body }) {
      const forbidden = { forbiddenStatus: status, forbiddenBody: body }
      forSome(ms, (isOver) =>
        isales.set(isOver ? { forbiddenPath: null } : { ...forbidden, forbiddenPath: PROBED_PATH }),
      )
    },
    public({ ms }) {
      until('public', ms)
      traffic.plain('json', ms)
      forSome(ms, (isOver) => isales.set({ publicPath: isOver ? null : COMMON_PATH }))
    },
    outage({ ms }) {
      unreached(ms)
      judge.down(time(), ms)
      forSome(ms, (isOver) => world.atIsales(() => (isOver ? isales.up() : isales.down())))
    },
    freeze: to((replica, { ms }) => {
      away(replica, ms + 1000)
      until('no-login', ms)
      until('delayed', ms + 1000)
      forSome(ms, (isOver) => (isOver ? world.thaw(replica) : world.freeze(replica)))
    }),
    kill: to((replica, { ms }) => {
      away(replica, ms + 1000)
      forSome(ms, (isOver) => (isOver ? restart(replica) : world.kill(replica)))
    }),
    terminate: to((replica, { ms }) => {
      world.stop(replica)
      const stopping = judge.open(`stopping-${replica.index}`, time())
      const again = (): void => {
        if (replica.phase === 'stopping') return later(100, again)
        stopping.to = time()
        if (replica.phase === 'stopped') restart(replica)
      }
      later(ms, again)
    }),
    'hang-up': to((replica) => {
      judge.asked(replica.index, time())
      world.hangUp(replica)
    }),
    store: ({ how, ms }) => store && storeFaults[how](store, ms),
    cut({ link, bytes }) {
      for (const one of world.links(link)) one.cutAfter = bytes
      untilCut(link)
    },
    stall({ link, ms }) {
      for (const one of world.links(link)) one.stalledUntil = time() + ms
      until('delayed', ms + 1000)
      if (link === 'store') storeAway(ms)
      if (link === 'isales') unreached(ms)
      if (link === 'proxy') for (const replica of replicas) away(replica, ms)
    },
    jitter({ ms, most }) {
      until('delayed', ms + 1000)
      until('no-login', ms)
      forSome(ms, (isOver) => {
        for (const link of world.links('isales'))
          link.latency = isOver ? ISALES_LATENCY : [ISALES_LATENCY[0], most]
      })
    },
    places({ ms, most }) {
      // A login finds no place while calls have all.
      unreached(ms)
      forSome(ms, (isOver) => {
        for (const link of world.links('isales')) link.places = isOver ? Infinity : most
      })
    },
    disk({ replica, how, ms }) {
      fullUntil.set(replica, time() + ms)
      // Two processes with one STATE_DIR then count in memory, each its own logins.
      if (store === undefined && replicas.length > 1) judge.attemptsUnrecorded()
      world.breakDisk(replica, how, ms)
    },
  }

  return {
    perform(act: Act): void {
      if (ENDS_TOKEN.has(nameOf(act))) until('token-ended', lengthOf(act))
      if (CUTS.has(nameOf(act))) until('cut', 100)
      if (UNPROVES.has(act.kind)) until('unproven', lengthOf(act))
      const run = acts[act.kind] as (act: Act) => void
      run(act)
    },
    /** Ends all faults. If the program may pause logins for long, the account gets a new password. */
    calm(): void {
      isales.clear()
      world.atIsales(() => Promise.resolve(isales.release()))
      isales.set({ forbiddenPath: null, publicPath: null, password })
      setPassword(password)
      world.mend()
      later(5000, () => {
        if (!judge.mayPause(password)) return
        newPassword()
        isales.set({ password })
        setPassword(password)
        until('no-login', 5000)
      })
    },
  }
}
