import { expect, test } from 'vitest'
import { Attempt, type UpstreamHandler } from '../../src/upstream/attempt.ts'

function watched(told: Partial<UpstreamHandler> = {}) {
  const pieces: string[] = []
  const errors: unknown[] = []
  const handler: UpstreamHandler = {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData: (_, chunk) => pieces.push(chunk.toString()),
    onResponseEnd() {},
    onResponseError: (controller, error) => errors.push([controller, error]),
    ...told,
  }
  const attempt = new Attempt(handler)
  return { attempt, pieces, errors }
}

const ignore = (): void => {}

test('a piece of no bytes, which the parser gives after each pause, is not passed on', () => {
  const { attempt, pieces } = watched()
  attempt.onData(Buffer.from('one'))
  attempt.onData(Buffer.alloc(0))
  attempt.onData(Buffer.from('two'))
  expect(pieces).toEqual(['one', 'two'])
})

test('undici is told to stop reading from a pause until the resume, and goes on at once then', () => {
  let resumed = 0
  const { attempt } = watched({ onResponseData: (controller) => controller.pause() })
  expect(attempt.onHeaders(200, [], () => (resumed += 1), 'OK')).toBe(true)
  expect(attempt.onData(Buffer.from('one'))).toBe(false)
  // It comes when undici goes on by itself, at the end of the connection.
  expect(attempt.onData(Buffer.alloc(0))).toBe(true)
  attempt.resume()
  expect(resumed).toBe(1)
  expect(attempt.onData(Buffer.alloc(0))).toBe(true)
})

test('a resume without a pause does not reach undici', () => {
  let resumed = 0
  const { attempt } = watched()
  attempt.onHeaders(200, [], () => (resumed += 1), 'OK')
  attempt.resume()
  expect(resumed).toBe(0)
})

test('the field lines are those of the latest head', () => {
  const { attempt } = watched()
  attempt.onHeaders(103, [Buffer.from('Link'), Buffer.from('</a>')], ignore, 'Early Hints')
  attempt.onHeaders(200, [Buffer.from('Date'), Buffer.from('now')], ignore, 'OK')
  expect(attempt.rawHeaders.map(String)).toEqual(['Date', 'now'])
})

test('a failure names no controller while there was no connection, and this one afterwards', () => {
  const early = watched()
  early.attempt.onError(new Error('refused'))
  expect(early.errors).toEqual([[undefined, new Error('refused')]])
  expect(early.attempt.refused).toBe(true)

  const late = watched()
  late.attempt.onConnect(ignore)
  late.attempt.onError(new Error('reset'))
  expect(late.errors).toEqual([[late.attempt, new Error('reset')]])
  expect(late.attempt.refused).toBe(false)
})

test('an abort is undici’s to carry out, and before there is a connection there is nothing to abort', () => {
  const reasons: unknown[] = []
  const { attempt } = watched()
  attempt.abort(new Error('too early'))
  attempt.onConnect((reason) => reasons.push(reason))
  attempt.abort(new Error('the client left'))
  expect(reasons).toEqual([new Error('the client left')])
})
