// Clients of the proxy: some behave as CTI-OBS does, others hang up, stall, send ahead, hold connections or send what is no
// HTTP. What they do is drawn from generators of their own.
import { connect, type Socket } from 'node:net'
import { BASE_PATH, ECHO_PATH, INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { framingOf, readBody, readHead, valueOf } from '../support/http-bytes.ts'
import type { Call, Heard, Judge } from './judge.ts'
import { hashOf, randomOf, seeded, type Random } from './loop.ts'
import type { Holding, Plan } from './plan.ts'
import type { Machine, World } from './stage.ts'

/** The path that iSales refuses now and then, whatever the token. */
export const PROBED_PATH = INTERFACE_PATHS.getHoliDay
/** The path of most calls. Now and then iSales serves it without a look at the token. */
export const COMMON_PATH = INTERFACE_PATHS.getTask

/** What stands here twice is drawn twice as often. */
const KINDS = [
  ...Array.from({ length: 7 }, () => 'json' as const),
  ...(['probe', 'probe', 'probe', 'chunked', 'chunked', 'get', 'get'] as const),
  ...(['large', 'expect', 'unusual', 'garbage'] as const),
] as const

/** How a call is sent, and where its client hangs up. */
interface Manner {
  readonly kind: (typeof KINDS)[number]
  /** Of what makes a body large, or of the response. */
  readonly bytes: number
  /** Milliseconds between two parts of the request; 0: it is sent whole. */
  readonly pause: number
  /** Undefined: the client stays. `stall`: it stays, and sends no more. */
  readonly hangUp: 'in-request' | 'stall' | 'waiting' | 'in-response' | 'half' | undefined
  /** Milliseconds until it hangs up, when it waits. */
  readonly patience: number
}

type Client = ReturnType<typeof createClient>

interface ClientOptions {
  readonly name: string
  readonly port: number
  readonly replica: number
  readonly machine: Machine
  readonly onCall: (call: Call) => void
  /** Bytes behind the last response. */
  readonly onExtra: (id: string, bytes: string) => void
}

interface Pending {
  readonly id: string
  readonly manner: Manner
  readonly from: number
  /** When the last byte was written. */
  sentAt: number
  readonly after: string | undefined
  /** The connection was opened for it. */
  readonly fresh: boolean
}

/** One client of one replica: a connection that is kept, and opened again when it is needed. */
function createClient(options: ClientOptions) {
  const { name, port, replica, machine } = options
  const { time, later, enter } = machine
  let socket: Socket | undefined
  const pending: Pending[] = []
  let received = Buffer.alloc(0)
  let count = 0
  let last = ''

  function end(heard: Heard, status = 0, body = ''): void {
    const one = pending.shift()
    if (one === undefined) return
    const { manner, fresh, ...rest } = one
    const { kind, pause, hangUp: leaves } = manner
    last = one.id
    const [next] = pending
    // It is served when it is its turn.
    if (next !== undefined) next.sentAt = Math.max(next.sentAt, time())
    options.onCall({
      ...problemOf(body),
      ...rest,
      replica,
      safe: kind === 'get',
      garbage: kind === 'garbage',
      stalls: leaves === 'stall',
      fresh: fresh && pause === 0 && leaves === undefined,
      to: time(),
      // A client that closes its side is taken as gone.
      heard: leaves === 'half' && heard === 'cut' ? 'hung-up' : heard,
      status,
      body,
    })
  }

  function lose(heard: Heard): void {
    socket = undefined
    received = Buffer.alloc(0)
    while (pending.length > 0) end(heard)
  }

  function open(): Socket {
    if (socket !== undefined) return socket
    const opened = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket = opened
    opened.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      if (socket === opened) take(opened, false)
    })
    opened.on('end', () => {
      if (socket !== opened) return
      take(opened, true)
      opened.destroy()
    })
    opened.on('error', () => undefined)
    opened.on('close', () => {
      if (socket === opened) lose('cut')
    })
    return opened
  }

  /** Reads the responses that are whole. */
  function take(from: Socket, ended: boolean): void {
    while (received.length > 0) {
      const [first] = pending
      if (first === undefined) {
        options.onExtra(last, JSON.stringify(received.toString('latin1', 0, 60)))
        received = Buffer.alloc(0)
        return
      }
      const head = readHead(received)
      if (head === undefined) return
      const status = Number(head.startLine.split(' ')[1])
      if (status >= 100 && status < 200) {
        received = received.subarray(head.length)
        continue
      }
      if (first.manner.hangUp === 'in-response') return hangUp(from)
      const body = readBody(received.subarray(head.length), framingOf(head.fields, 'close'), ended)
      if (body === undefined) return
      received = received.subarray(head.length + body.length)
      end('response', status, body.content.toString('latin1'))
      if (valueOf(head.fields, 'connection')?.toLowerCase() === 'close') {
        from.end()
        lose('cut')
        return
      }
    }
  }

  function hangUp(of: Socket): void {
    if (socket !== of) return
    lose('hung-up')
    of.resetAndDestroy()
  }

  function write(one: Pending, on: Socket, [part, ...rest]: readonly Buffer[]): void {
    const { hangUp: leaves, pause, patience } = one.manner
    if (socket !== on || part === undefined) return
    on.write(part)
    one.sentAt = time()
    if (leaves === 'stall') return
    if (leaves === 'in-request' && rest.length < 2) return hangUp(on)
    if (rest.length > 0) return later(pause, () => write(one, on, rest))
    if (leaves === 'half') on.end()
    if (leaves !== 'waiting') return
    later(patience, () => {
      if (pending.includes(one)) hangUp(on)
    })
  }

  return {
    busy: () => pending.length > 0,
    /** Sends the calls on one connection, without waiting for a response between them. */
    send: (manners: readonly Manner[]) =>
      enter(() => {
        const isOpen = socket !== undefined
        const on = open()
        for (const manner of manners) {
          count += 1
          const id = `${name}-${count}`
          const after = pending.at(-1)?.id
          const fresh = !isOpen && after === undefined
          const one = { id, manner, from: time(), sentAt: time(), after, fresh }
          pending.push(one)
          write(one, on, partsOf(id, manner, port))
        }
      }),
    close: () =>
      enter(() => {
        socket?.end()
        socket = undefined
      }),
  }
}

function partsOf(id: string, manner: Manner, port: number): readonly Buffer[] {
  const { pause, hangUp } = manner
  const buffer = Buffer.from(textOf(id, manner, port), 'latin1')
  if (pause === 0 && hangUp !== 'in-request' && hangUp !== 'stall') return [buffer]
  // Of equal size, so that a client that hangs up has sent most of it.
  const size = Math.ceil(buffer.length / 4)
  return [0, 1, 2, 3]
    .map((nth) => buffer.subarray(nth * size, (nth + 1) * size))
    .filter((part) => part.length > 0)
}

function textOf(id: string, { kind, bytes }: Manner, port: number): string {
  const common = `Host: 127.0.0.1:${port}\r\nX-Call-Id: ${id}\r\n`
  const padding = kind === 'large' ? 'x'.repeat(bytes) : ''
  const call = { id, serviceId: '12345', batchCount: 1, uniqueId: id, holidayId: '0', padding }
  const json = JSON.stringify(call)
  const post = (path: string, fields = '', body = json) => {
    const framing = fields.includes('Transfer') ? '' : `Content-Length: ${body.length}\r\n`
    const type = 'Content-Type: application/json\r\n'
    return `POST ${path} HTTP/1.1\r\n${common}${type}${framing}${fields}\r\n${body}`
  }
  switch (kind) {
    case 'json':
    case 'large':
      return post(COMMON_PATH)
    case 'probe':
      return post(PROBED_PATH)
    case 'expect':
      return post(INTERFACE_PATHS.pushCallOutRlt, 'Expect: 100-continue\r\n')
    case 'chunked': {
      const half = Math.floor(json.length / 2)
      const chunks = [json.slice(0, half), json.slice(half), '']
      const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      return post(COMMON_PATH, 'Transfer-Encoding: chunked\r\n', framed.join(''))
    }
    case 'get':
      return `GET ${ECHO_PATH}?id=${id}&bytes=${bytes} HTTP/1.1\r\n${common}\r\n`
    case 'unusual': {
      const target = `http://127.0.0.1:${port}${BASE_PATH}/business/interface`
      return post(target, 'Connection: Upgrade\r\nUpgrade: h2c\r\n')
    }
    case 'garbage': {
      const all = garbageOf(common)
      return all[bytes % all.length] ?? ''
    }
  }
}

/** What is no HTTP, or is not for iSales. */
function garbageOf(common: string): readonly string[] {
  const path = `${BASE_PATH}/business/tasks`
  const start = `POST ${path} HTTP/1.1\r\n`
  return [
    `${start}${common}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde`,
    `${start}${common}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${start}${common}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `${start}Host: elsewhere.example\r\nContent-Length: 0\r\n\r\n`,
    `POST ${path}/../../auth/login HTTP/1.1\r\n${common}Content-Length: 0\r\n\r\n`,
    `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${common}\r\n`,
    `CONNECT elsewhere.example:443 HTTP/1.1\r\n${common}\r\n`,
    `POST ${LOGIN_PATH} HTTP/1.1\r\n${common}Content-Length: 2\r\n\r\n{}`,
    `${start}${common}Origin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\r\n`,
    '\u0016\u0003\u0001\r\n\r\n',
  ]
}

/** The members of a problem of the proxy. */
const problemOf = (body: string): Pick<Call, 'code' | 'sent'> =>
  body.startsWith('{"type"') ? (JSON.parse(body) as Pick<Call, 'code' | 'sent'>) : {}

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

/** The calls of all clients. */
export function startTraffic(
  plan: Plan,
  world: Pick<World, 'clients' | 'ports' | 'note'>,
  judge: Judge,
) {
  const { clients: machine, ports } = world
  const { time, later } = machine
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
      onExtra: (id, bytes) => judge.find(1, time(), `more than one response after ${id}: ${bytes}`),
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
      if (!client.busy() && time() >= quietUntil) client.send(manners)
      later(gap * (0.5 + random.between(0, 1000) / 1000), next)
    }
    later(random.between(0, Math.ceil(gap)), next)
  }

  /** Of clients that wait for nothing, in turn. */
  function rush(until: number, nth = 0): void {
    if (stopped || time() >= until) return
    const client = clients[nth % clients.length]
    const manners = mannersOf(rushed)
    if (client?.busy() === false) client.send(manners)
    later(RUSH_GAP, () => rush(until, nth + 1))
  }

  /** A client of each replica. */
  const pollers: Client[] = []
  function poll(until: number): void {
    if (stopped || time() >= until) return
    for (let replica = 0; replica < plan.replicas; replica += 1) {
      const client = (pollers[replica] ??= add(`${replica}p`, replica))
      if (!client.busy()) client.send([PLAIN])
    }
    later(POLL_GAP, () => poll(until))
  }

  return {
    /** Calls of the path that is public meanwhile. */
    poll: (ms: number) => poll(time() + ms),
    /** More calls for so many milliseconds. */
    rush: (ms: number) => rush(time() + ms),
    /** No calls for so many milliseconds, but those of a rush. */
    quiet: (ms: number) => void (quietUntil = time() + ms),
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

const HANG_UPS = ['in-request', 'stall', 'waiting', 'waiting', 'in-response', 'half'] as const

function mannerOf(random: Random, alone: boolean): Manner {
  const manner = {
    kind: random.pick(KINDS),
    bytes: random.between(1, random.pick([100, 10_000, 70_000, 200_000])),
    hangUp: random.chance(0.08) ? random.pick(HANG_UPS) : undefined,
    patience: random.pick([1, 5, 20, 100, 700, 2500]),
    pause: random.chance(0.05) ? random.pick([1, 50, 600]) : 0,
  }
  // What stands between two others neither ends early nor pauses: its parts would come between theirs.
  return alone ? manner : { ...manner, pause: 0, hangUp: undefined }
}

/** Milliseconds between two connections: the first 40, and those that follow. */
const HOLD_GAP = 10
const HOLD_LATER = 100
const HELD = 40
const HEADS = 12
/** Milliseconds between two heads: each comes by itself. */
const HEAD_GAP = 20

const heldCall = (fields: string, body: string): string =>
  `POST ${COMMON_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n${body}`
const WHOLE = heldCall('Content-Length: 2\r\n', '{}')
const HALF = heldCall('Content-Length: 9\r\n', 'half')
const HEAD = heldCall(`X-Padding: ${'x'.repeat(15 * 1024)}\r\nContent-Length: 0\r\n`, '')

/** Misbehaves for `ms`: what it holds keeps nobody out, and what it sends ahead takes no memory. */
export function hold(
  holding: Holding,
  ms: number,
  { clients, ports }: Pick<World, 'clients' | 'ports'>,
  { judge, replica }: { readonly judge: Judge; readonly replica: number },
): void {
  const { time, later, enter } = clients
  const end = time() + ms
  const sockets: Socket[] = []
  const open = (bytes: string): Socket => {
    const socket = connect({ host: '127.0.0.1', port: ports.proxy(replica) })
    socket.on('error', () => undefined)
    socket.resume().write(bytes)
    sockets.push(socket)
    return socket
  }
  const openMany = (nth = 0): void => {
    if (time() >= end) return
    enter(() => open(holding === 'idle' ? WHOLE : HALF))
    later(nth < HELD ? HOLD_GAP : HOLD_LATER, () => openMany(nth + 1))
  }
  const sendAhead = (): void => {
    const socket = open(WHOLE)
    let responded = false
    socket.once('data', () => (responded = true))
    const from = time()
    const send = (left: number): void => {
      if (responded) return
      if (left > 0) {
        enter(() => socket.write(HEAD))
        later(HEAD_GAP, () => send(left - 1))
      } else if (socket.destroyed || socket.writableLength === 0) judge.readAhead(replica, from)
    }
    later(HEAD_GAP, () => send(HEADS))
  }
  judge.open('held', time(), end)
  enter(() => (holding === 'ahead' ? sendAhead() : openMany()))
  later(ms, () => enter(() => sockets.forEach((socket) => socket.destroy())))
}
