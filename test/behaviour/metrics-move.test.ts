import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { listenerTls } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { connectRaw } from '../support/raw-client.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'

/** Constant, or moved by other tests: test/store, test/promises/5-truth.test.ts. */
const ELSEWHERE = ['build_info', 'info', 'session_conflicts_total', 'tokens_adopted_total']

/** Every state of a metric's samples that was seen, by the metric's name. */
const seen = new Map<string, Set<string>>()

async function look({ admin }: World): Promise<void> {
  const { text } = await call(`${admin}/metrics`)
  for (const [, name = '', samples = ''] of text.matchAll(
    /^# TYPE isales_proxy_(\w+) .*\n((?:[^#].*\n)+)/gm,
  ))
    seen.set(name, (seen.get(name) ?? new Set()).add(samples))
}

async function tokensAndCalls(): Promise<void> {
  const directory = join(temporaryDirectory(), 'state')
  const password = temporaryFiles()('password', 'isales-password')
  const env = { STATE_DIR: directory, ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: password }
  const world = await openWorld({
    env,
    ready: false,
    simulator: { switches: { password: 'isales-password' } },
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const { sim } = world
  const early = world.tasks()
  await until(async () => (await world.metric('isales_proxy_token_waiters')) === 1)
  await look(world)
  sim.release()
  await early
  await look(world)
  sim.hang({ operation: 'business' })
  const slow = world.tasks()
  await until(() => sim.state().hanging === 1)
  await look(world)
  sim.release()
  await slow
  // A rejected token, and the login that replaces it.
  sim.revoke()
  await world.tasks()
  writeFileSync(password, 'another')
  await world.app.renew()
  await look(world)
  // iSales disappears, and so does the disk.
  rmSync(directory, { recursive: true })
  writeFileSync(directory, 'not a directory')
  await sim.down()
  sim.revoke()
  await world.tasks()
  await look(world)
}

async function withoutLifetime(): Promise<void> {
  const body = { result: 0, resultData: { token: 'a-token' } }
  const world = await openWorld({
    stdout: { dropped: () => 3, failure: () => undefined },
    prepare: (sim) => sim.answerLogin({ body }),
  })
  await look(world)
}

async function withStoreAndTls(): Promise<void> {
  const file = temporaryFiles()
  const world = await openWorld({
    ready: false,
    env: {
      ...listenerTls(file),
      SESSION_STORE_URL: `valkey://127.0.0.1:${await freePort()}`,
      SESSION_STORE_KEY_FILE: file('key', 'a-key-of-more-than-32-characters-1234'),
    },
  })
  await look(world)
  const plain = await connectRaw({ port: world.port })
  await plain.send('GET / HTTP/1.1\r\n\r\n')
  await plain.closed()
  await until(() => world.events.some(({ type }) => type === 'granted'), 10_000)
  await look(world)
}

test('every metric moves', async () => {
  await tokensAndCalls()
  await withoutLifetime()
  await withStoreAndTls()
  const still = [...seen].filter(([, values]) => values.size < 2).map(([name]) => name)
  expect(still.filter((name) => !ELSEWHERE.includes(name))).toEqual([])
  expect(seen.size).toBeGreaterThan(ELSEWHERE.length)
}, 60_000)
