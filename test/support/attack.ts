// Attackers as processes of their own, and well-behaved traffic next to them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { connectRaw, type RawClient, type RawTarget } from './raw-client.ts'

const ATTACKER = fileURLToPath(new URL('attacker.mjs', import.meta.url))

/** Attacks a port until the test ends or the function that it returns is called. Waits for the first connection. */
export async function attack(name: string, port: number, connections: number, tls?: 'tls') {
  const args = [ATTACKER, name, String(port), String(connections), tls ?? '']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const stop = (): void => void child.kill('SIGKILL')
  onTestFinished(stop)
  await once(child.stdout, 'data')
  return stop
}

/** Sends 20 requests per second on four connections, and returns the times to their responses in ms, sorted. */
export async function pacedCalls(target: RawTarget, request: string, ms: number) {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connectRaw(target)))
  const times: number[] = []
  const statuses = new Set<number>()
  const ask = async (client: RawClient, previous: Promise<void>, due: number): Promise<void> => {
    await previous
    await client.send(request)
    statuses.add((await client.read()).status)
    times.push(performance.now() - due)
  }
  const last = clients.map(() => Promise.resolve())
  for (let n = 0; n < ms / 50; n += 1) {
    const index = n % clients.length
    const [client, previous] = [clients[index], last[index]]
    if (client && previous) last[index] = ask(client, previous, performance.now())
    await delay(50)
  }
  await Promise.all(last)
  times.sort((one, other) => one - other)
  return { median: times[times.length >> 1] ?? NaN, max: times.at(-1) ?? NaN, statuses }
}
