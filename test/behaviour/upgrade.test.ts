import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openWorld } from '../support/world.ts'

/** Java's default client asks to upgrade with each call. */
const HEADERS = {
  Connection: 'Upgrade, HTTP2-Settings',
  Upgrade: 'h2c',
  'HTTP2-Settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
  'Content-Type': 'application/json',
  'Content-Length': '2',
}

test('800 calls that ask to upgrade need no more than 16 connections', async () => {
  const world = await openWorld()
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const connections = new Set<Socket>()
  const statuses = new Map<number | undefined, number>()
  const call = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = { method: 'POST', agent, headers: HEADERS }
      const outgoing = request(`${world.proxy}${INTERFACE_PATHS.getTask}`, options, (response) => {
        statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1)
        response.resume().once('end', resolve)
      })
      outgoing.once('socket', (socket) => connections.add(socket))
      outgoing.once('error', reject)
      outgoing.end('{}')
    })
  const caller = async (): Promise<void> => {
    for (let n = 0; n < 50; n += 1) await call()
  }
  await Promise.all(Array.from({ length: 16 }, caller))
  agent.destroy()

  expect(Object.fromEntries(statuses)).toEqual({ 200: 800 })
  expect(connections.size).toBeLessThanOrEqual(16)
})
