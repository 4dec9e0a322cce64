// A Valkey in memory that real clients speak to: its protocol, and the few commands that the program may send.
import { createServer, type Socket } from 'node:net'
import { Failure, runScript, timeReply, type Reply } from './lua.ts'
import { as, createOwner, date, thaw, time, type Owner } from './patches.ts'

interface Entry {
  readonly value: Buffer
  /** By virtual time. */
  readonly endsAt: number
}

export type Store = ReturnType<typeof openStore>

export function openStore(port: number) {
  const owner: Owner = createOwner('store')
  let keys = new Map<string, Entry>()
  let kept = keys
  const connections = new Set<Socket>()
  /** What every command gets instead of its reply. */
  let failing: string | undefined

  const get = (key: string): Entry | undefined => {
    const entry = keys.get(key)
    if (entry === undefined || entry.endsAt > time()) return entry
    keys.delete(key)
    return undefined
  }

  function set(key: string, value: Buffer, ms: number): Reply {
    keys.set(key, { value: Buffer.from(value), endsAt: time() + ms })
    return 'OK'
  }

  /** What the documented permissions of the account allow, and what a connection begins with. */
  function execute(words: readonly Buffer[]): Reply {
    const [command = '', first = '', , option, ms] = words.map(String)
    switch (command.toUpperCase()) {
      case 'AUTH':
      case 'SELECT':
        return 'OK'
      case 'TIME':
        return timeReply(date())
      case 'GET':
        return get(first)?.value ?? null
      case 'SET':
        return option === 'PX' && words[2] !== undefined
          ? set(first, words[2], Number(ms))
          : new Failure('ERR syntax error')
      case 'EVAL':
        return script(first, words.slice(2))
      default:
        return new Failure(`NOPERM ${command}`)
    }
  }

  function script(source: string, [count, ...rest]: readonly Buffer[]): Reply {
    const keyCount = Number(String(count))
    return runScript(source, rest.slice(0, keyCount), rest.slice(keyCount), (words) =>
      execute(words),
    )
  }

  const server = as(owner, () =>
    createServer((socket) => {
      connections.add(socket)
      let received = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => {
        received = Buffer.concat([received, bytes])
        for (;;) {
          const command = readCommand(received)
          if (command === undefined) return
          received = received.subarray(command.length)
          socket.write(
            encode(failing === undefined ? execute(command.words) : new Failure(failing)),
          )
        }
      })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        connections.delete(socket)
      })
    }),
  )
  const up = (): void => as(owner, () => void server.listen({ port }))
  up()

  return {
    owner,
    /** It ends with its connections, as after `kill`; what it held is lost. */
    down(): void {
      as(owner, () => server.close())
      for (const socket of connections) as(owner, () => socket.destroy())
      keys = new Map()
    },
    up,
    isUp: () => server.listening,
    freeze: () => void (owner.state = 'frozen'),
    thaw: () => thaw(owner),
    flush: () => void (keys = new Map()),
    /** A copy to go back to, as a replica that lags and is promoted. */
    keep: () => void (kept = new Map(keys)),
    rollBack: () => void (keys = new Map(kept)),
    /** Other bytes in every key. */
    spoil(): void {
      for (const [key, entry] of keys)
        keys.set(key, { ...entry, value: Buffer.from('\u0000spoilt') })
    },
    /** Each command gets this error, such as `LOADING`; undefined: no more. */
    fail: (reply: string | undefined) => void (failing = reply),
    /** All that is in it. */
    dump: () =>
      [...keys].map(([key, { value }]) => `${key} ${value.toString('latin1')}`).join('\n'),
  }
}

/** One command at the start of the bytes: an array of bulk strings. */
function readCommand(
  bytes: Buffer,
): { readonly words: Buffer[]; readonly length: number } | undefined {
  let offset = 0
  const number = (): number | undefined => {
    const end = bytes.indexOf('\r\n', offset)
    if (end === -1) return undefined
    const value = Number(bytes.toString('latin1', offset + 1, end))
    offset = end + 2
    return value
  }
  const count = number()
  if (count === undefined) return undefined
  const words: Buffer[] = []
  for (let nth = 0; nth < count; nth += 1) {
    const size = number()
    if (size === undefined || bytes.length < offset + size + 2) return undefined
    words.push(bytes.subarray(offset, offset + size))
    offset += size + 2
  }
  return { words, length: offset }
}

function encode(reply: Reply): Buffer {
  if (reply === null) return Buffer.from('$-1\r\n')
  if (typeof reply === 'number') return Buffer.from(`:${reply}\r\n`)
  if (typeof reply === 'string') return Buffer.from(`+${reply}\r\n`)
  if (reply instanceof Failure) return Buffer.from(`-${reply.message}\r\n`)
  if (Buffer.isBuffer(reply))
    return Buffer.concat([Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encode)])
}
