// Clients of the proxy. Some behave like CTI-OBS; others hang up, stall, send ahead, hold connections or send bytes that are not
// HTTP. They draw from generators of their own.
import { connect, type Socket } from 'node:net'
import { BASE_PATH, ECHO_PATH, INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { framingOf, readBody, readHead, valueOf } from '../support/http-bytes.ts'
import type { Judge } from './judge.ts'
import { hashOf, randomOf, seeded, type Random } from './loop.ts'
import { CALLS, type Holding, type Manner, type Plan, type PlainClient } from './plan.ts'
import type { World } from './stage.ts'
import type { Call, Heard, Request } from './wire.ts'

/** The path that iSales sometimes rejects with any token. */
export const PROBED_PATH = INTERFACE_PATHS.getHoliDay
/** The path of most calls. iSales sometimes answers it without a look at the token. */
export const COMMON_PATH = INTERFACE_PATHS.getTask

type Client = ReturnType<typeof createClient>

/** Creates a client of one replica. Its connection is kept, and opened again when a call needs it. */
function createClient(
  name: string,
  replica: number,
  { clients: { time, later, enter }, ports, note }: Pick<World, 'clients' | 'ports' | 'note'>,
  { judge, onStatus }: { judge: Judge; onStatus?: ((status: number) => void) | undefined },
) {
  const port = ports.proxy(replica)
  let socket: Socket | undefined
  const pending: Request[] = []
  let received = Buffer.alloc(0)
  let count = 0
  let last = ''

  function end(heard: Heard, status = 0, body = ''): void {
    const one = pending.shift()
    if (one === undefined) return
    last = one.id
    const [next] = pending
    // The proxy begins the next call now.
    if (next !== undefined) next.sentAt = Math.max(next.sentAt, time())
    const problem = problemOf(body)
    note(`call ${one.id} ${heard} ${status} ${problem.code ?? ''} ${problem.sent ?? ''}`)
    judge.called({
      ...problem,
      ...one,
      replica,
      to: time(),
      // The proxy takes a client that closes its side as gone.
      heard: one.manner.hangUp === 'half' && heard === 'cut' ? 'hung-up' : heard,
      status,
      body,
    })
    onStatus?.(status)
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

  /** Reads whole responses. */
  function take(from: Socket, ended: boolean): void {
    while (received.length > 0) {
      const [first] = pending
      if (first === undefined) {
        const bytes = JSON.stringify(received.toString('latin1', 0, 60))
        judge.find(8, time(), `more than one response after ${last}: ${bytes}`)
        received = Buffer.alloc(0)
        return
      }
      const head = readHead(received)
      if (head === undefined) return
      const status = Number(head.startLine.split(' ')[1])
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

  function write(one: Request, on: Socket, [part, ...rest]: readonly Buffer[]): void {
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
    /** Pipelines the calls on one connection. */
    send: (manners: readonly Manner[]) =>
      enter(() => {
        const isOpen = socket !== undefined
        const on = open()
        for (const manner of manners) {
          count += 1
          const id = `${name}-${count}`
          const after = pending.at(-1)?.id
          const isWhole = manner.pause === 0 && manner.hangUp === undefined
          const fresh = !isOpen && after === undefined && isWhole
          const one = { id, manner, from: time(), sentAt: time(), after, fresh }
          pending.push(one)
          judge.sent(id, replica)
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
  // Parts of equal size: a client that hangs up has sent most of the request.
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
    case 'chunked': {
      const half = Math.floor(json.length / 2)
      const chunks = [json.slice(0, half), json.slice(half), '']
      const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      return post(COMMON_PATH, 'Transfer-Encoding: chunked\r\n', framed.join(''))
    }
    case 'get':
      return `GET ${ECHO_PATH}?id=${id}&bytes=${bytes} HTTP/1.1\r\n${common}\r\n`
    case 'origin':
      return post(COMMON_PATH, 'Origin: https://gateway.example\r\n')
    case 'foreign-host':
      return post(COMMON_PATH).replace('127.0.0.1', 'elsewhere.example')
    case 'other-path':
      return post('/rest/isales/v1/elsewhere')
    case 'too-large':
      return post(COMMON_PATH).replace(/(?<=Length: )\d+/, String(2 ** 21))
    case 'garbage': {
      const all = garbageOf(common)
      return all[bytes % all.length] ?? ''
    }
  }
}

/** Requests that are not HTTP, or not for iSales. */
function garbageOf(common: string): readonly string[] {
  const path = `${BASE_PATH}/business/tasks`
  const start = `POST ${path} HTTP/1.1\r\n`
  return [
    `${start}${common}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde`,
    `${start}${common}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${start}${common}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${common}\r\n`,
    `POST ${LOGIN_PATH} HTTP/1.1\r\n${common}Content-Length: 2\r\n\r\n{}`,
    '\u0016\u0003\u0001\r\n\r\n',
  ]
}

/** Reads the members of the proxy's error. */
const problemOf = (body: string): Pick<Call, 'code' | 'sent'> =>
  body.startsWith('{"type"') ? (JSON.parse(body) as Pick<Call, 'code' | 'sent'>) : {}

const MIN_CLIENTS = 4
/** A client may be waiting or stalled, so that it sends fewer calls. */
const MAX_CALLS_A_SECOND = 2
/** Milliseconds between two calls of a rush. */
const RUSH_GAP = 100
/** Milliseconds between two calls of a plain client: with valid calls, and with others. */
const PLAIN_GAPS = [200, 500] as const
/** Short enough for the minute after the calm to outweigh the lost calls. */
const CALM_GAP = 1500
/** A call as CTI-OBS sends it. */
const PLAIN: Manner = { kind: 'json', bytes: 0, pause: 0, hangUp: undefined, patience: 0 }
const IMPATIENT: Manner = { ...PLAIN, hangUp: 'waiting', patience: 700 }

export type Traffic = ReturnType<typeof startTraffic>

/** The calls of all clients. */
export function startTraffic(
  plan: Plan,
  world: Pick<World, 'clients' | 'ports' | 'note'>,
  judge: Judge,
) {
  const { time, later } = world.clients
  const random = randomOf(seeded(hashOf(`${plan.seed} traffic`)))
  const rushed = randomOf(seeded(hashOf(`${plan.seed} rush`)))
  const clients: Client[] = []
  let stopped = false
  let calm = false
  let quietUntil = 0

  const add = (name: string, replica: number, onStatus?: (status: number) => void): Client => {
    const client = createClient(name, replica, world, { judge, onStatus })
    clients.push(client)
    return client
  }

  const needed = Math.ceil(plan.rate / plan.replicas / MAX_CALLS_A_SECOND)
  const count = plan.replicas * Math.max(MIN_CLIENTS, needed)
  const gap = (count * 1000) / plan.rate
  for (let nth = 0; nth < count; nth += 1) {
    const replica = nth % plan.replicas
    // The name continues with a letter.
    const name = (10 + Math.floor(nth / plan.replicas)).toString(36)
    const client = add(`${replica}${name}`, replica)
    const next = (): void => {
      if (stopped || calm) return
      // Drawn in any case, because the proxy's behavior must not change the traffic.
      const manners = mannersOf(random)
      if (!client.busy() && time() >= quietUntil) client.send(manners)
      later(gap * (0.5 + random.between(0, 1000) / 1000), next)
    }
    later(random.between(0, Math.ceil(gap)), next)
  }

  /** Sends calls of idle clients, in turn. */
  function rush(until: number, nth = 0): void {
    if (stopped || time() >= until) return
    const client = clients[nth % clients.length]
    const manners = mannersOf(rushed)
    if (client?.busy() === false) client.send(manners)
    later(RUSH_GAP, () => rush(until, nth + 1))
  }

  /** For each manner, a client of each replica. */
  const repeaters = new Map<string, Client>()
  function repeat(manner: Manner, gap: number, until: number): void {
    if (stopped || time() >= until) return
    for (let replica = 0; replica < plan.replicas; replica += 1) {
      const name = `${replica}${manner.kind}${manner.hangUp ?? ''}`
      const client = repeaters.get(name) ?? add(name, replica)
      repeaters.set(name, client)
      if (!client.busy()) client.send([manner])
    }
    later(gap, () => repeat(manner, gap, until))
  }

  return {
    /** Repeats one call to each replica for `ms`. */
    plain(as: PlainClient, ms: number): void {
      const manner = as === 'impatient' ? IMPATIENT : { ...PLAIN, kind: as }
      repeat(manner, PLAIN_GAPS[as === 'json' ? 0 : 1], time() + ms)
    },
    /** Sends more calls for `ms`. */
    rush: (ms: number) => rush(time() + ms),
    /** Sends no calls for `ms`, except in a rush. */
    quiet: (ms: number) => void (quietUntil = time() + ms),
    /** True if no call follows within a minute. */
    isQuiet: () => time() + 60_000 < quietUntil,
    /** Sends only plain calls from now on. */
    calm(): void {
      calm = true
      repeat(PLAIN, CALM_GAP, Infinity)
    },
    stop: () => void (stopped = true),
    busy: () => clients.filter((client) => client.busy()).length,
    /** Sends a plain call to each replica. */
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

/** Draws the next calls of a client: mostly one, as CTI-OBS sends. */
function mannersOf(random: Random): readonly Manner[] {
  const count = random.chance(0.1) ? random.between(2, 4) : 1
  return Array.from({ length: count }, () => mannerOf(random, count === 1))
}

const HANG_UPS = ['in-request', 'stall', 'waiting', 'waiting', 'in-response', 'half'] as const

function mannerOf(random: Random, alone: boolean): Manner {
  const manner = {
    kind: random.pick(CALLS),
    bytes: random.between(1, random.pick([100, 10_000, 70_000, 200_000])),
    hangUp: random.chance(0.08) ? random.pick(HANG_UPS) : undefined,
    patience: random.pick([1, 5, 20, 100, 700, 2500]),
    pause: random.chance(0.05) ? random.pick([1, 50, 600]) : 0,
  }
  // Pipelined calls neither end early nor pause, because their parts would mix.
  return alone ? manner : { ...manner, pause: 0, hangUp: undefined }
}

/** Milliseconds between two connections that are held: the first 40, and those that follow. */
const HOLD_GAPS = [10, 100] as const
const HELD = 40
/** Heads after a slow call, and the milliseconds between two, so that each arrives separately. */
const HEADS = 12
const HEAD_GAP = 20
/** Connections that do not read: fewer than may be in flight. */
const NOT_READING = 8
/** Milliseconds of silence, and the limit for reading on after it. */
const SILENCE = 7000
const READS_WITHIN = 6500
/** Only a long response has more bytes than this in flight. */
const LONG_RESPONSE = 32 * 1024

const held = (start: string, rest: string): string =>
  `${start} HTTP/1.1\r\nHost: 127.0.0.1\r\n${rest}`
const WHOLE = held(`POST ${COMMON_PATH}`, 'Content-Length: 2\r\n\r\n{}')
const HALF = held(`POST ${COMMON_PATH}`, 'Content-Length: 9\r\n\r\nhalf')
const HEAD = held(
  `POST ${COMMON_PATH}`,
  `X-Padding: ${'x'.repeat(15 * 1024)}\r\nContent-Length: 0\r\n\r\n`,
)
const LONG_GET = held(`GET ${ECHO_PATH}?id=held&bytes=4000000`, '\r\n')

/** Misbehaves for `ms`: the held connections keep no other client out, and heads sent ahead take no memory. */
export function hold(
  holding: Holding,
  ms: number,
  { clients, ports }: Pick<World, 'clients' | 'ports'>,
  { judge, replica }: { readonly judge: Judge; readonly replica: number },
): void {
  const { time, later, enter } = clients
  const from = time()
  const sockets: Socket[] = []
  const open = (): Socket => {
    const socket = connect({ host: '127.0.0.1', port: ports.proxy(replica) })
    socket.on('error', () => undefined)
    let isAnswered = false
    socket.once('data', (bytes: Buffer) => {
      isAnswered = holding === 'idle' && bytes.includes(' 200 ')
      // iSales may have answered the call.
      judge.held(replica, time(), isAnswered ? 'answered' : 'unknown')
    })
    // The end of a connection whose call was answered loses no call.
    socket.on('close', () => isAnswered || judge.held(replica, time()))
    sockets.push(socket)
    return socket
  }
  const write = (socket: Socket, bytes: string): void => void enter(() => socket.write(bytes))
  const openMany = (bytes: string, nth = 0): void => {
    if (time() >= from + ms) return
    enter(() => open().resume().write(bytes))
    later(HOLD_GAPS[nth < HELD ? 0 : 1], () => openMany(bytes, nth + 1))
  }
  const sendAhead = (socket: Socket): void => {
    let responded = false
    socket.once('data', () => (responded = true)).write(WHOLE)
    for (let nth = 1; nth <= HEADS; nth += 1)
      later(nth * HEAD_GAP, () => {
        if (!responded) write(socket, HEAD)
      })
    later((HEADS + 1) * HEAD_GAP, () => {
      const isRead = socket.destroyed || socket.writableLength === 0
      if (!responded && isRead) judge.readAhead(replica, from)
    })
  }
  const doNotRead = (socket: Socket): void => {
    later(SILENCE, () => write(socket, LONG_GET))
    // On a closed connection, another byte causes a reset.
    later(SILENCE + READS_WITHIN, () => write(socket, 'x'))
    later(SILENCE + READS_WITHIN + 100, () => {
      if (!socket.destroyed && socket.bytesRead > LONG_RESPONSE) judge.keptPlace(replica, from)
    })
  }
  judge.open('held', from, from + ms)
  enter(() => {
    if (holding === 'ahead') sendAhead(open())
    else if (holding === 'idle') openMany(WHOLE)
    else if (holding === 'half-sent') openMany(HALF)
    else for (let nth = 0; nth < NOT_READING; nth += 1) doNotRead(open())
  })
  later(ms, () => enter(() => sockets.forEach((socket) => socket.destroy())))
}
