// Does to the world what a plan says, and tells the judge what excuses what.
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { isCommand, runCommand } from '../../simulator/server.ts'
import { PROBED_PATH } from './client.ts'
import type { Judge, Span } from './judge.ts'
import { linkTo, owner, resolver, schedule, time } from './patches.ts'
import { ENDS_TOKEN, type Act, type LinkName } from './plan.ts'
import { FIRST_PASSWORD, LATENCY, PASSWORD_MARK, PORTS, type Replica, type World } from './world.ts'

const LINK_PORTS: Readonly<Record<Exclude<LinkName, 'proxy'>, number>> = {
  isales: PORTS.isales,
  store: PORTS.store,
}

/** Names the login of another program. */
export const RIVAL = 'rival'

export function createStage(world: World, judge: Judge, begin: (replica: Replica) => void) {
  const { isales, store, replicas } = world
  const world0 = owner()
  let changes = 1
  let password = FIRST_PASSWORD
  const later = (ms: number, run: () => void): void => void schedule(run, ms, 'io', world0)
  const portsOf = (link: LinkName): number[] =>
    link === 'proxy' ? replicas.map(({ index }) => PORTS.proxy + index) : [LINK_PORTS[link]]
  const until = (kind: string, ms: number): Span => {
    const span = judge.open(kind, time())
    span.to = time() + ms
    return span
  }
  const unreached = (ms: number): void => {
    until('no-login', ms)
    judge.unreached(time() + ms)
  }
  /** What a replica was writing is lost, and its lease lasts on. */
  const untilCut = (): void => {
    const span = judge.open('store', time())
    const look = (): void => {
      if (linkTo(PORTS.store).cutAfter === undefined) span.to = time() + 5000
      else later(100, look)
    }
    look()
  }
  const away = (replica: Replica, ms: number): Span => until(`replica-${replica.index}`, ms)
  const tell = (name: string, input: object): void => {
    if (isCommand(name)) world.atIsales(() => runCommand(isales, name, input))
  }

  function rival(): void {
    const body = JSON.stringify({ user: isales.switches.user, passwd: isales.switches.password })
    const { singleSession } = isales.switches
    isales.set({ singleSession: true })
    judge.note('token-ended', time(), time() + 3000)
    const socket = connect({ host: '127.0.0.1', port: PORTS.isales })
    socket.on('error', () => undefined)
    socket.on('close', () => isales.set({ singleSession }))
    socket.on('data', () => socket.end())
    socket.end(
      `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: isales\r\nX-Call-Id: ${RIVAL}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    later(2000, () => isales.set({ singleSession }))
  }

  function perform(act: Act): void {
    const replica = 'replica' in act ? replicas[act.replica] : undefined
    if (
      ENDS_TOKEN.some((name) => name === act.kind || ('command' in act && act.command === name))
    ) {
      judge.note('token-ended', time(), time() + ('ms' in act ? act.ms : 0))
    }
    switch (act.kind) {
      case 'command':
        tell(act.command, act.input)
        if (Number(act.input['tokenLifetime'] ?? 60) < 30) judge.open('short-lives', time())
        if (act.command === 'blackHole') until('no-login', Number(act.input['seconds']) * 1000)
        break
      case 'rotate': {
        changes += 1
        password = `${PASSWORD_MARK}-${changes}`
        const there = (): void => {
          isales.set({ password })
          if (!act.ends) return
          judge.note('token-ended', time(), time())
          tell('revoke', {})
          tell('revokeRefresh', {})
        }
        const here = (): void => writeFileSync(world.secretFile, password)
        const [first, second] = act.first === 'isales' ? [there, here] : [here, there]
        first()
        if (act.gap === 0) second()
        else later(act.gap, second)
        until('no-login', act.gap + 5000)
        break
      }
      case 'wrong-file':
        writeFileSync(world.secretFile, `${PASSWORD_MARK}-wrong-${act.ms % 2}`)
        later(act.ms, () => writeFileSync(world.secretFile, password))
        break
      case 'crash-loop':
        if (replica === undefined || replica.phase === 'stopped') break
        writeFileSync(world.secretFile, `${PASSWORD_MARK}-loop`)
        until('no-login', act.times * 1000 + 5000)
        away(replica, act.times * 1000 + 2000)
        for (let nth = 0; nth < act.times; nth += 1) {
          later(nth * 1000, () => {
            world.kill(replica)
            begin(replica)
          })
          later(nth * 1000 + act.ms, () => world.kill(replica))
        }
        later(act.times * 1000, () => {
          writeFileSync(world.secretFile, password)
          world.kill(replica)
          begin(replica)
        })
        break
      case 'rival':
        rival()
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
        later(act.ms, () => begin(replica))
        break
      case 'terminate': {
        if (replica?.phase !== 'running') break
        world.stop(replica)
        const again = (): void => {
          if (replica.phase === 'stopping') return later(100, again)
          if (replica.phase === 'stopped') begin(replica)
        }
        later(act.ms, again)
        break
      }
      case 'hang-up':
        if (replica === undefined) break
        judge.asked(time())
        world.hangUp(replica)
        break
      case 'cut':
        for (const port of portsOf(act.link)) linkTo(port).cutAfter = act.bytes
        if (act.link === 'store') untilCut()
        else judge.open('cut', time())
        break
      case 'stall':
        for (const port of portsOf(act.link)) linkTo(port).stalledUntil = time() + act.ms
        until('delayed', act.ms + 1000)
        if (act.link === 'store') until('store', act.ms + 5000)
        if (act.link === 'isales') until('no-login', act.ms)
        if (act.link === 'proxy') for (const each of replicas) away(each, act.ms)
        break
      case 'unreachable':
        for (const port of portsOf(act.link)) {
          linkTo(port).mode = act.ms % 2 === 0 ? 'refuse' : 'ignore'
          later(act.ms, () => (linkTo(port).mode = 'open'))
        }
        if (act.link === 'isales') unreached(act.ms)
        if (act.link === 'store') until('store', act.ms + 5000)
        break
      case 'jitter': {
        const link = linkTo(PORTS.isales)
        link.latency = [LATENCY[0], act.most]
        until('delayed', act.ms + 1000)
        until('no-login', act.ms)
        later(act.ms, () => (link.latency = LATENCY))
        break
      }
      case 'dns':
        resolver.found = act.silent ? undefined : 'error'
        unreached(act.ms)
        later(act.ms, () => (resolver.found = 'address'))
        break
      case 'date':
        if (replica !== undefined) replica.owner.dateOffset += act.offset
        break
      case 'disk-full':
        if (replica === undefined) break
        world.fillDisk(replica)
        later(act.ms, () => world.freeDisk(replica))
        break
      case 'store-killed':
        until('store', act.ms + 5000)
        if (store?.isUp() !== true) break
        judge.bookLost()
        store.down()
        later(act.ms, () => store.up())
        break
      case 'store-frozen':
        until('store', act.ms + 5000)
        store?.freeze()
        later(act.ms, () => store?.thaw())
        break
      case 'store-refuses':
        until('store', act.ms + 5000)
        store?.fail(act.ms % 2 === 0 ? 'LOADING the data' : 'OOM no memory')
        later(act.ms, () => store?.fail(undefined))
        break
      case 'store-emptied':
        until('store', 5000)
        judge.bookLost()
        store?.flush()
        break
      case 'store-rolled-back':
        until('store', 5000)
        judge.bookLost()
        store?.rollBack()
        break
      case 'store-spoilt':
        until('store', 5000)
        judge.bookLost()
        store?.spoil()
        break
    }
  }
  const keep = (): void => {
    store?.keep()
    world.searchSecrets(store?.dump() ?? '', 'the store')
    later(17_000, keep)
  }
  later(5000, keep)

  return {
    perform,
    /** Nothing is wrong from now on. `asks`: an operator asks each replica for a login. */
    calm(asks: boolean): void {
      isales.clear()
      world.atIsales(() => Promise.resolve(isales.release()))
      isales.set({ forbiddenPath: null, password })
      writeFileSync(world.secretFile, password)
      for (const port of [PORTS.isales, PORTS.store, ...portsOf('proxy')]) {
        Object.assign(linkTo(port), { mode: 'open', cutAfter: undefined, stalledUntil: 0 })
      }
      resolver.found = 'address'
      for (const replica of replicas) replica.owner.dateOffset = 0
      if (asks) later(5000, () => replicas.forEach((replica) => world.hangUp(replica)))
    },
  }
}
