import { randomUUID } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { temporaryFiles } from '../support/temporary.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { connect, watchOutput } from './connect.ts'
import { ENGINES, startServer } from './servers.ts'

const file = temporaryFiles()
let printed: () => string
const uncaught: unknown[] = []
const note = (error: unknown): void => void uncaught.push(error)
beforeEach(() => {
  printed = watchOutput()
  process.on('uncaughtException', note)
})
afterEach(() => {
  process.off('uncaughtException', note)
  // oxlint-disable-next-line vitest/no-standalone-expect -- whatever the test did
  expect([printed(), uncaught.splice(0)]).toEqual(['', []])
})

/** A cell that takes the handshake, and then sends what it likes. */
async function startRude(hello = '') {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = await listen((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    if (hello !== '') return void socket.end(hello)
    socket.resume()
  })
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    say: (reply: string) => sockets.forEach((socket) => socket.write(reply)),
  }
}

describe('a reply that nobody asked for', () => {
  it.each(['$-5\r\n', '*-5\r\n', '$-1\r\n', '*0\r\n', '*1\r\n$-1\r\n', '+OK\r\n', ':1\r\n'])(
    '%j ends the connection, not the process, and prints nothing',
    async (reply) => {
      const rude = await startRude()
      const { cell, looks } = await connect(rude.port)
      await until(() => looks() >= 1)
      const before = rude.connections()
      rude.say(reply)
      expect(await until(() => rude.connections() > before)).toBe(true)
      // What is thrown out of an event handler comes a little later.
      await delay(50)
      cell.stop()
    },
  )

  it('is not taken for that of the command in flight', async () => {
    const rude = await startRude()
    const { cell } = await connect(rude.port)
    const before = rude.connections()
    const reply = cell.swap('', '')
    rude.say('*3\r\n$4\r\nlate\r\n$1\r\n1\r\n+x\r\n')
    expect(await reply).toEqual({ reason: 'malformed' })
    await until(() => rude.connections() > before)
  })
})

describe('protected mode', () => {
  it.each([{}, { SESSION_STORE_PASSWORD_FILE: file('pw', 'pw') }])(
    'is named, with nothing printed (%j)',
    async (settings) => {
      const text = 'Redis is running in protected mode and no password is set for the default user.'
      const rude = await startRude(`-DENIED ${text}\r\n`)
      const { cell } = await connect(rude.port, settings)
      await until(() => rude.connections() > 4)
      expect(await cell.swap('', '')).toEqual({ reason: 'refused', code: 'DENIED' })
    },
  )
})

describe.each(ENGINES)('%s', (engine) => {
  it('that wants no password takes one, and nothing is printed', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port, {
      SESSION_STORE_PASSWORD_FILE: file('random', randomUUID()),
    })
    expect(await cell.swap('', 'value')).toMatchObject({ value: 'value' })
  })
})
