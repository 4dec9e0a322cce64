import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { inState, sharingPrograms, type Replica } from './replicas.ts'

vi.setConfig({ testTimeout: 120_000 })

const { serve } = sharingPrograms()

/** Milliseconds since the one login of the replicas. */
function sinceLogin(replicas: readonly Replica[]): number {
  const lines = replicas.flatMap(({ program }) => program.lines())
  const at = lines.find(({ event }) => event === 'logged-in')?.['time']
  return Date.now() - Date.parse(String(at))
}

describe('programs that share lose no call', () => {
  it('while the store is killed, stopped and emptied', async () => {
    const { sim, server, replicas, calls } = await serve()
    server.signal('SIGKILL')
    await server.ended()
    await inState(replicas, { state: 'alone', reason: 'unreachable' })
    await delay(2000)
    await server.restart()
    await inState(replicas, { state: 'shared' })
    server.signal('SIGSTOP')
    await delay(4000)
    server.signal('SIGCONT')
    await delay(1000)
    await server.cli('FLUSHALL')
    await delay(2000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins).toBe(1)
  })

  it('while it is killed across a renewal of tokens that live 20 s, and is empty afterwards', async () => {
    const { sim, server, replicas, calls } = await serve({ seconds: 20 })
    await delay(Math.max(0, 14_500 - sinceLogin(replicas)))
    server.signal('SIGKILL')
    await server.ended()
    await delay(5000)
    await server.restart()
    await delay(8000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins).toBeLessThanOrEqual(6)
  })

  it('but at most 2 % of them while it is away for 40 s, with tokens that live 30 s', async () => {
    const { server, replicas, calls } = await serve({ seconds: 30 })
    server.signal('SIGKILL')
    await delay(40_000)
    await server.restart()
    await inState(replicas, { state: 'shared' })
    const count = calls.count()
    const failed = await calls.stop()
    expect(failed.length / count).toBeLessThanOrEqual(0.02)
  })
})
