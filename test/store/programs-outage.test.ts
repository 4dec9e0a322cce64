import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { authenticated, inState, sharingPrograms, startTraffic } from './replicas.ts'
import { startServer } from './servers.ts'

const { openIsales, startReplicas } = sharingPrograms()

it('three programs whose store is away for 75 s, with tokens that live 60 s, lose at most 2 % of their calls', async () => {
  await openIsales(60)
  const server = await startServer()
  const replicas = await startReplicas(3, server.port)
  await authenticated(replicas)
  await inState(replicas, { state: 'shared', replicas: 3 })
  const calls = startTraffic(replicas)
  server.signal('SIGKILL')
  await delay(75_000)
  await server.restart()
  await inState(replicas, { state: 'shared', replicas: 3 })
  const count = calls.count()
  const failed = await calls.stop()
  expect(failed.length / count).toBeLessThanOrEqual(0.02)
}, 150_000)
