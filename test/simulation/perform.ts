// Does to a world what a plan says, and tells the judge what excuses what.
import { isCommand, runCommand } from '../../simulator/server.ts'
import { COMMON_PATH, hold, PROBED_PATH, type Traffic } from './clients.ts'
import type { Judge, Span } from './judge.ts'
import { isOfMachine, lengthOf, LOOP, nameOf, type Act } from './plan.ts'
import { FIRST_PASSWORD, PASSWORD_MARK, type Replica, type World } from './stage.ts'

/** Seconds: longer than a run, or what is left of it. */
export const LONG = 600

/** Acts that end a token before its time. */
const ENDS_TOKEN: ReadonlySet<string> = new Set(['revoke', 'storm'])
/** A login in flight may count as one that failed, and the book may not be what it was. */
const UNPROVES: ReadonlySet<string> = new Set([
  'kill',
  'terminate',
  'crash-loop',
  'disk-full',
  'disk-stalled',
  'date',
])

export function createStage<R extends Replica>(
  world: World<R>,
  judge: Judge,
  { traffic, begin }: { readonly traffic: Traffic; readonly begin: (replica: R) => void },
) {
  const { isales, store, replicas, machine } = world
  const { time, later } = machine
  let changes = 1
  let password = FIRST_PASSWORD
  /** Until when the disks of replicas take nothing. */
  const fullUntil = new Map<number, number>()
  const until = (kind: string, ms: number): Span => judge.open(kind, time(), time() + ms)
  const unreached = (ms: number): void => {
    until('no-login', ms)
    judge.unreached(time() + ms)
  }
  const storeAway = (ms: number): void => {
    // Each replica alone may try once.
    until('store', ms + 5000).spare = replicas.length
  }
  const away = (replica: R, ms: number): Span => until(`replica-${replica.index}`, ms)
  const tell = (name: string, input: object): void => {
    if (isCommand(name)) world.atIsales(() => runCommand(isales, name, input))
  }

  function newPassword(): void {
    changes += 1
    password = `${PASSWORD_MARK}-${changes}`
  }

  function restart(replica: R): void {
    // Its last login is in no book.
    if (time() < (fullUntil.get(replica.index) ?? 0)) judge.bookLost(1)
    begin(replica)
  }

  function perform(act: Act): void {
    const replica = 'replica' in act ? replicas[act.replica] : undefined
    if (ENDS_TOKEN.has(nameOf(act))) until('token-ended', lengthOf(act))
    // iSales sends no more of a response that is longer than what the network holds.
    if (['outage', 'disconnect'].includes(nameOf(act))) until('cut', 100)
    if (UNPROVES.has(act.kind)) until('unproven', lengthOf(act))
    if (act.kind === 'disk-full' || act.kind === 'disk-stalled') {
      fullUntil.set(act.replica, time() + act.ms)
      // Of two processes with one STATE_DIR each counts in memory alone.
      if (store === undefined && replicas.length > 1) judge.bookLost()
    }
    if (isOfMachine(act)) {
      world.disturb(act, { judge, until, unreached, storeAway })
      return
    }
    switch (act.kind) {
      case 'command':
        tell(act.command, act.input)
        if (act.command === 'slow') judge.open('slow', time())
        if (Number(act.input['tokenLifetime'] ?? 60) < 30) judge.open('short-lives', time())
        if (act.command === 'blackHole') until('no-login', Number(act.input['seconds']) * 1000)
        break
      case 'rotate': {
        newPassword()
        const there = (): void => {
          isales.set({ password })
          if (!act.ends) return
          until('token-ended', 0)
          tell('revoke', {})
          tell('revokeRefresh', {})
        }
        const here = (): void => world.setPassword(password)
        const [first, second] = act.first === 'isales' ? [there, here] : [here, there]
        first()
        if (act.gap === 0) second()
        else later(act.gap, second)
        until('no-login', act.gap + 5000)
        break
      }
      case 'wrong-file':
        // A refresh token may have ended, and what iSales refused before is not tried again soon.
        if (Number(isales.switches.refreshLifetime) < LONG) until('no-login', act.ms)
        world.setPassword(`${PASSWORD_MARK}-wrong-${act.ms % 2}`)
        later(act.ms, () => {
          world.setPassword(password)
          // Until it is noticed.
          until('no-login', 3000)
        })
        break
      case 'crash-loop':
        if (replica === undefined || replica.phase === 'stopped') break
        world.setPassword(`${PASSWORD_MARK}-loop`)
        until('no-login', lengthOf(act) + 5000)
        away(replica, lengthOf(act) + 2000)
        for (let nth = 0; nth < act.times; nth += 1) {
          later(nth * LOOP, () => {
            world.kill(replica)
            restart(replica)
          })
          later(nth * LOOP + act.ms, () => world.kill(replica))
        }
        later(lengthOf(act), () => {
          world.setPassword(password)
          world.kill(replica)
          restart(replica)
        })
        break
      case 'hold':
        hold(act.holding, act.ms, world, { judge, replica: act.replica })
        break
      case 'rush':
        traffic.rush(act.ms)
        break
      case 'quiet':
        traffic.quiet(act.ms)
        break
      case 'storm':
        isales.failBusiness({ status: 401, seconds: act.ms / 1000 })
        break
      case 'forbid':
        isales.set({
          forbiddenPath: PROBED_PATH,
          forbiddenStatus: act.status,
          forbiddenBody: act.body,
        })
        later(act.ms, () => isales.set({ forbiddenPath: null }))
        break
      case 'public':
        isales.set({ publicPath: COMMON_PATH })
        until('public', act.ms)
        traffic.poll(act.ms)
        later(act.ms, () => isales.set({ publicPath: null }))
        break
      case 'outage':
        world.atIsales(() => isales.down())
        unreached(act.ms)
        later(act.ms, () => world.atIsales(() => isales.up()))
        break
      case 'freeze':
        if (replica === undefined || replica.phase !== 'running') break
        away(replica, act.ms + 1000)
        until('no-login', act.ms)
        until('delayed', act.ms + 1000)
        world.freeze(replica)
        later(act.ms, () => world.thaw(replica))
        break
      case 'kill':
        if (replica === undefined || replica.phase === 'stopped') break
        away(replica, act.ms + 1000)
        world.kill(replica)
        later(act.ms, () => restart(replica))
        break
      case 'terminate': {
        if (replica?.phase !== 'running') break
        world.stop(replica)
        const stopping = judge.open(`stopping-${replica.index}`, time())
        const again = (): void => {
          if (replica.phase === 'stopping') return later(100, again)
          stopping.to = time()
          if (replica.phase === 'stopped') restart(replica)
        }
        later(act.ms, again)
        break
      }
      case 'hang-up':
        if (replica === undefined) break
        judge.asked(act.replica, time())
        world.hangUp(replica)
        break
      case 'store-killed':
        storeAway(act.ms)
        if (store?.isUp() !== true) break
        judge.bookForgotten()
        store.down()
        later(act.ms, () => store.up())
        break
      case 'store-frozen':
        storeAway(act.ms)
        store?.freeze()
        later(act.ms, () => store?.thaw())
        break
      case 'store-emptied':
        until('store', 5000)
        judge.bookForgotten()
        store?.flush()
        break
    }
  }
  return {
    perform,
    /** Nothing is wrong from now on. Where the program may pause for long, the account gets a new password. */
    calm(): void {
      isales.clear()
      world.atIsales(() => Promise.resolve(isales.release()))
      isales.set({ forbiddenPath: null, publicPath: null, password })
      world.setPassword(password)
      world.mend()
      later(5000, () => {
        if (!judge.mayPause(password)) return
        newPassword()
        isales.set({ password })
        world.setPassword(password)
        until('no-login', 5000)
      })
    },
  }
}
