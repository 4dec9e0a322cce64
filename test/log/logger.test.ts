import { beforeEach, expect, it, vi } from 'vitest'
import { Secret } from '../../src/config/index.ts'
import type { LogFields } from '../../src/log/index.ts'
import { accessFields, createLog, type LogOptions } from '../../src/log/logger.ts'

const CANARY = 'canary-password-77aa'
const TIME = '2026-01-02T03:04:05.678Z'

async function openLog(options: Partial<LogOptions> = {}) {
  const written: string[] = []
  const destination = { write: (text: string) => void written.push(text) }
  const log = await createLog({ level: 'debug', format: 'json', destination, ...options })
  const lines = () => written.map((text) => JSON.parse(text) as Record<string, unknown>)
  return { log, lines, text: () => written.join('') }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(TIME) })
  return () => void vi.useRealTimers()
})

it('a line is one JSON object with time, level, event and message, which no field can change', async () => {
  const { log, text } = await openLog()
  // Deceives the compiler.
  const fields: object = { version: '%s', time: 'x', level: 'x', event: 'x', msg: 'x' }
  log('starting', fields)
  expect(text()).toBe(
    `{"level":"info","time":"${TIME}","event":"starting","version":"%s","msg":"Starting"}\n`,
  )
})

it('drops unknown fields and objects, and redacts secrets', async () => {
  const { log, text, lines } = await openLog()
  const hostile: object = {
    password: CANARY,
    headers: { authorization: CANARY },
    token: new Secret(CANARY),
    toJSON: () => CANARY,
    status: 500,
    detail: { password: CANARY },
    reason: [CANARY],
    code: new Secret(CANARY),
  }
  log('access', hostile)
  expect(text()).not.toContain(CANARY)
  const fixed = { level: 'debug', time: TIME, event: 'access', msg: 'Request' }
  expect(lines()).toEqual([{ ...fixed, status: 500, code: '[redacted]' }])
})

it('cuts long text, and escapes line breaks, escape sequences and bidirectional overrides', async () => {
  const { log, lines, text } = await openLog()
  log('listening', { address: `/a\u001B[2J\r\n\u009B\u2028\u202Eb${'x'.repeat(100_000)}` })
  const address = String(lines()[0]?.['address'])
  expect(address).toMatch(/^\/a\\x1b\[2J\\x0d\\x0a\\x9b\\x2028\\x202ebx/)
  expect(address).toHaveLength(512)
  expect(text()).not.toContain('\u001B')
  expect(text().trimEnd()).not.toContain('\n')
})

it('does not write lines below the level', async () => {
  const { log, lines } = await openLog({ level: 'warn' })
  log('starting')
  log('token-rejected')
  log('token-rejected', {}, 'debug')
  expect(lines().map((line) => line['event'])).toEqual(['token-rejected'])
})

const withCode = (code: string) =>
  Object.assign(new TypeError(`said ${CANARY}\n    at ${CANARY}:1:1`), { code, password: CANARY })
const tampered = Object.assign(new Error('x'), { stack: CANARY })
const HERE = expect.stringContaining('logger.test.ts')

it.each<readonly [string, unknown, object]>([
  ['its name, code and place', withCode('ERR_X'), { name: 'TypeError', code: 'ERR_X', at: HERE }],
  [
    'the code of its cause',
    new Error('outer', { cause: withCode('ECONNREFUSED') }),
    { name: 'Error', code: 'ECONNREFUSED', at: HERE },
  ],
  ['no code with spaces', withCode(`was ${CANARY}`), { name: 'TypeError', at: HERE }],
  ['no place if the stack was changed', tampered, { name: 'Error' }],
  ['the type of a string', CANARY, { name: 'string' }],
])('writes, for an error, %s', async (_, error, written) => {
  const { log, lines, text } = await openLog()
  log('unexpected', { error })
  expect(lines()[0]?.['error']).toEqual(written)
  expect(text()).not.toContain(CANARY)
})

it('the pretty format is one readable line, without color by default', async () => {
  const { log, text } = await openLog({ format: 'pretty' })
  log('logged-in', { operation: 'login', lifetimeSeconds: 300 })
  expect(text()).toMatch(
    /^\[\d\d:\d\d:05\.678\] INFO: Logged in \{"operation":"login","lifetimeSeconds":300\}\n$/,
  )
})

it.each([
  ['/rest/isales/x?user=me&passwd=canary#f', '/rest/isales/x'],
  ['?passwd=canary', ''],
  ['http://canary@host/x?y', 'http://canary@host/x'],
])('the line of a request to %j has the path %j without a query', (target, path) => {
  const request = { method: 'POST', status: 200, requestId: 'r-1' }
  const fields: LogFields = accessFields({ ...request, target, durationMs: 12.345 })
  const counted = { outcome: 'answered', cause: 'answered' }
  expect(fields).toEqual({ ...request, ...counted, path, durationMs: 12.3 })
})
