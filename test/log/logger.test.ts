import { beforeEach, describe, expect, it, test, vi } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { LogFields } from '../../src/log/log-events.ts'
import { accessFields, createLog, type LogOptions } from '../../src/log/logger.ts'

const CANARY = 'canary-password-77aa'
const TIME = '2026-01-02T03:04:05.678Z'

async function openLog(options: Partial<LogOptions> = {}) {
  const written: string[] = []
  const log = await createLog({
    level: 'debug',
    format: 'json',
    destination: { write: (text) => void written.push(text) },
    ...options,
  })
  const lines = (): readonly Record<string, unknown>[] =>
    written.map((text) => JSON.parse(text) as Record<string, unknown>)
  return { log, lines, text: () => written.join('') }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(TIME) })
  return () => void vi.useRealTimers()
})

/** What a caller might pass by mistake, past the compiler. */
function fields(anything: Readonly<Record<string, unknown>>): LogFields {
  return anything
}

describe('a log line', () => {
  it('is one JSON object with time, level, event and a fixed sentence', async () => {
    const { log, text } = await openLog()
    log('starting', { version: '1.2.3' })
    expect(text()).toBe(
      `{"level":"info","time":"${TIME}","event":"starting","version":"1.2.3","msg":"Starting"}\n`,
    )
  })

  it('drops what is not on the list of fields, and objects in one that is; a secret is redacted', async () => {
    const { log, text, lines } = await openLog()
    const hostile = fields({
      password: CANARY,
      headers: { authorization: CANARY },
      body: CANARY,
      token: new Secret(CANARY),
      toJSON: () => CANARY,
      status: 500,
      detail: { password: CANARY },
      reason: [CANARY],
      code: new Secret(CANARY),
    })
    log('access', hostile)
    expect(text()).not.toContain(CANARY)
    expect(Object.keys(lines()[0] ?? {})).toEqual([
      'level',
      'time',
      'event',
      'status',
      'code',
      'msg',
    ])
    expect(lines()[0]).toHaveProperty('code', '[redacted]')
  })

  it('does not let a field take the place of time, level, event or msg', async () => {
    const { log, lines } = await openLog()
    log('starting', fields({ time: 'x', level: 'x', event: 'x', msg: 'x', __proto__: { x: 1 } }))
    expect(lines()[0]).toEqual({ level: 'info', time: TIME, event: 'starting', msg: 'Starting' })
  })

  it('cuts long text, and disarms line breaks, escape sequences and bidirectional overrides', async () => {
    const { log, lines, text } = await openLog()
    log('listening', { address: `/a\u001B[2J\r\n\u009B\u2028\u202Eb${'x'.repeat(100_000)}` })
    const address = String(lines()[0]?.['address'])
    expect(address).toMatch(/^\/a\\x1b\[2J\\x0d\\x0a\\x9b\\x2028\\x202ebx/)
    expect(address).toHaveLength(512)
    expect(text()).not.toContain('\u001B')
    expect(text().trimEnd()).not.toContain('\n')
  })

  it('is not written below the level that is set', async () => {
    const { log, lines } = await openLog({ level: 'warn' })
    log('starting')
    log('guarded')
    log('guarded', {}, 'debug')
    expect(lines().map((line) => line['event'])).toEqual(['guarded'])
  })

  it('never formats the sentence with a field: a % stays a %', async () => {
    const { log, lines } = await openLog()
    log('starting', { version: '%s %j %o' })
    expect(lines()[0]).toMatchObject({ msg: 'Starting', version: '%s %j %o' })
  })
})

describe('an error in a log line', () => {
  it('is reduced to its name, its code and where it was thrown', async () => {
    const { log, lines, text } = await openLog()
    const error = Object.assign(new TypeError(`upstream said ${CANARY}\n    at ${CANARY}:1:1`), {
      code: 'ERR_X',
      password: CANARY,
    })
    log('unexpected', { error })
    expect(text()).not.toContain(CANARY)
    expect(lines()[0]?.['error']).toMatchObject({ name: 'TypeError', code: 'ERR_X' })
    expect(lines()[0]).toHaveProperty('error.at', expect.stringContaining('logger.test.ts'))
  })

  it('takes the code of the cause when it has none, and no code that is a sentence', async () => {
    const { log, lines } = await openLog()
    const cause = Object.assign(new Error('inner'), { code: 'ECONNREFUSED' })
    log('unexpected', { error: new Error('outer', { cause }) })
    log('unexpected', { error: Object.assign(new Error('x'), { code: `it was ${CANARY}` }) })
    expect(lines()[0]).toHaveProperty('error.code', 'ECONNREFUSED')
    expect(lines()[1]).not.toHaveProperty('error.code')
  })

  it.each([
    ['a string', CANARY, 'string'],
    ['an object', { message: CANARY }, 'object'],
    ['null', null, 'object'],
  ])('names only the type when %s was thrown', async (_case, error, name) => {
    const { log, lines, text } = await openLog()
    log('unexpected', { error })
    expect(lines()[0]?.['error']).toEqual({ name })
    expect(text()).not.toContain(CANARY)
  })

  it('tells no place when the stack was tampered with', async () => {
    const { log, lines } = await openLog()
    const error = new Error('x')
    error.stack = CANARY
    log('unexpected', { error })
    expect(lines()[0]?.['error']).toEqual({ name: 'Error' })
  })
})

it('in the pretty format is one readable line without colour when not on a terminal', async () => {
  const { log, text } = await openLog({ format: 'pretty' })
  log('logged-in', { operation: 'login', lifetimeSeconds: 300 })
  expect(text()).toMatch(
    /^\[\d\d:\d\d:05\.678\] INFO: Logged in \{"operation":"login","lifetimeSeconds":300\}\n$/,
  )
})

test.each([
  ['/rest/isales/x?user=me&passwd=canary#f', '/rest/isales/x'],
  ['?passwd=canary', ''],
  ['', ''],
  ['*', '*'],
  ['http://canary@host/x?y', 'http://canary@host/x'],
  ['#canary', ''],
])('the line of a request to %j has the path %j, and no query', (target, path) => {
  const request = { method: 'POST', status: 200, requestId: 'r-1' }
  const fields = accessFields({ ...request, target, durationMs: 12.345 })
  expect(fields).toEqual({ ...request, path, durationMs: 12.3, code: undefined })
})
