import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { inState, sharingPrograms } from './replicas.ts'

const { serve } = sharingPrograms()

it('three programs whose store is away for 40 s, with tokens that live 30 s, lose at most 2 % of their calls', async () => {
  const { server, replicas, calls } = await serve({ seconds: 30 })
  server.signal('SIGKILL')
  await delay(40_000)
  await server.restart()
  await inState(replicas, { state: 'shared' })
  const count = calls.count()
  const failed = await calls.stop()
  expect(failed.length / count).toBeLessThanOrEqual(0.02)
}, 150_000)
