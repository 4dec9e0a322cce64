// A Valkey in memory for real clients: its protocol, and the one script of the program.
import { createServer, type Socket } from 'node:net'
import { SCRIPT } from '../../src/sharing/valkey.ts'
import { as, createOwner, date, thaw, type Owner } from './patches.ts'
import { compareAndSwap, visible } from './swap.ts'

export type Store = ReturnType<typeof openStore>

export function openStore(port: number) {
  const owner: Owner = createOwner('store')
  /** By key; bytes as latin1. */
  let values = new Map<string, string>()
  let kept = values
  const connections = new Set<Socket>()

  /** Executes the commands of a new connection, and the script, whose arguments `expected` and `desired` follow its key. */
  function execute([
    command = '',
    source,
    ,
    key = '',
    expected = '',
    desired = '',
  ]: string[]): string {
    if (/^(?:AUTH|SELECT)$/i.test(command)) return '+OK\r\n'
    if (!/^EVAL$/i.test(command) || source !== SCRIPT) return `-NOPERM ${command}\r\n`
    const value = compareAndSwap(values.get(key) ?? '', expected, desired)
    if (value !== '') values.set(key, value)
    const micros = Math.round((date() % 1000) * 1000)
    const parts = [visible(value), String(Math.floor(date() / 1000)), String(micros)]
    return `*3\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`
  }

  const server = as(owner, () =>
    createServer((socket) => {
      connections.add(socket)
      let received = ''
      socket.setEncoding('latin1').on('data', (text: string) => {
        received += text
        for (;;) {
          const command = readCommand(received)
          if (command === undefined) return
          received = received.slice(command.length)
          socket.write(execute(command.words), 'latin1')
        }
      })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => connections.delete(socket))
    }),
  )
  const up = (): void => as(owner, () => void server.listen({ port }))
  up()

  return {
    /** Ends the store and its connections, as after `kill`; all values are lost. */
    down(): void {
      as(owner, () => server.close())
      for (const socket of connections) as(owner, () => socket.destroy())
      values = new Map()
    },
    up,
    isUp: () => server.listening,
    freeze: () => void (owner.state = 'frozen'),
    thaw: () => thaw(owner),
    flush: () => void (values = new Map()),
    /** Keeps a copy for `rollBack`: a lagging replica that may be promoted. */
    keep: () => void (kept = new Map(values)),
    rollBack: () => void (values = new Map(kept)),
    /** Returns all keys and values. */
    dump: () => [...values].flat().join('\n'),
  }
}

/** Reads a command, an array of bulk strings, from the start of the text. */
function readCommand(
  text: string,
): { readonly words: string[]; readonly length: number } | undefined {
  let offset = 0
  const number = (): number => {
    const end = text.indexOf('\r\n', offset)
    const value = end === -1 ? NaN : Number(text.slice(offset + 1, end))
    offset = end + 2
    return value
  }
  const words: string[] = []
  const count = number()
  while (words.length < count) {
    const size = number()
    if (!(text.length >= offset + size + 2)) return undefined
    words.push(text.slice(offset, offset + size))
    offset += size + 2
  }
  return Number.isNaN(count) ? undefined : { words, length: offset }
}
