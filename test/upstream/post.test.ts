import { expect, test, vi } from 'vitest'
import type { UpstreamController, UpstreamHandler } from '../../src/upstream/attempt.ts'
import { createPost, type PostResult } from '../../src/upstream/post.ts'

function begin(options: { readonly timeout?: number; readonly signal?: AbortSignal } = {}) {
  const handlers: UpstreamHandler[] = []
  const exchange = createPost((_, handler) => handlers.push(handler), options.timeout ?? 60_000)
  const { signal = new AbortController().signal } = options
  const result = exchange({ path: '/login', headers: [], body: '{}', signal })
  return { handlers, result }
}

function controllerWith(...lines: readonly string[]) {
  const reasons: Error[] = []
  const controller: UpstreamController = {
    rawHeaders: lines.map((line) => Buffer.from(line)),
    pause() {},
    resume() {},
    abort: (reason) => void reasons.push(reason),
  }
  return { controller, reasons }
}

const LATE: PostResult = { ok: false, failure: 'timeout', code: 'no whole answer in time' }

test('an answer is read whole, whatever pieces it came in, and behind any interim one', async () => {
  const { handlers, result } = begin()
  const [handler] = handlers
  const { controller } = controllerWith('Retry-After', '7', 'retry-after', '9')
  handler?.onRequestStart(controller)
  handler?.onResponseStart(controllerWith('Link', '</a>').controller, 103, 'Early Hints')
  handler?.onResponseStart(controller, 503, 'Busy')
  const text = Buffer.from('{"token":"é"}')
  handler?.onResponseData(controller, text.subarray(0, 11))
  handler?.onResponseData(controller, text.subarray(11))
  handler?.onResponseEnd(controller)
  expect(await result).toEqual({ ok: true, status: 503, retryAfter: '7', body: '{"token":"é"}' })
})

test('an answer of over 64 KiB has no body, and its connection is given up', async () => {
  const { handlers, result } = begin()
  const [handler] = handlers
  const { controller, reasons } = controllerWith()
  handler?.onRequestStart(controller)
  handler?.onResponseStart(controller, 200, 'OK')
  handler?.onResponseData(controller, Buffer.alloc(64 * 1024))
  expect(reasons).toEqual([])
  handler?.onResponseData(controller, Buffer.alloc(1))
  expect(await result).toMatchObject({ ok: true, status: 200, body: undefined })
  expect(reasons).toHaveLength(1)
})

test('what takes too long is cut off, and a failure that follows changes nothing', async () => {
  vi.useFakeTimers()
  try {
    const { handlers, result } = begin({ timeout: 5000 })
    const [handler] = handlers
    const { controller, reasons } = controllerWith()
    handler?.onRequestStart(controller)
    vi.advanceTimersByTime(4999)
    expect(reasons).toEqual([])
    vi.advanceTimersByTime(1)
    handler?.onResponseError(controller, new Error('aborted'))
    expect(await result).toEqual(LATE)
    expect(reasons).toHaveLength(1)
  } finally {
    vi.useRealTimers()
  }
})

test('given up before there is a connection, it is not written when one comes', async () => {
  const stop = new AbortController()
  const { handlers, result } = begin({ signal: stop.signal })
  stop.abort()
  expect(await result).toEqual(LATE)
  expect(() => handlers[0]?.onRequestStart(controllerWith().controller)).toThrow('given up')
})

test('given up before it began, it is not begun', async () => {
  const { handlers, result } = begin({ signal: AbortSignal.abort() })
  expect(await result).toEqual(LATE)
  expect(handlers).toEqual([])
})

test.each([
  ['ECONNREFUSED', 'unreachable'],
  ['UND_ERR_DESTROYED', 'broken'],
  ['UND_ERR_INVALID_ARG', 'broken'],
])('the failure %s is %s', async (code, failure) => {
  const { handlers, result } = begin()
  handlers[0]?.onResponseError(undefined, Object.assign(new Error('x'), { code }))
  expect(await result).toEqual({ ok: false, failure, code })
})
