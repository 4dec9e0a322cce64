import type * as Vm from 'node:vm'
import { expect, test, vi } from 'vitest'
import { answerBytes } from '../support/raw-upstream.ts'
import { dispatch, openUpstream, plain } from './upstream-support.ts'

const { runInNewContext } = await vi.importActual<typeof Vm>('node:vm')
const refusing = vi.fn(() => {
  throw new ReferenceError('gc is not defined')
})
vi.mock('node:vm', () => ({ runInNewContext: () => refusing() }))

test('a V8 that lets nobody collect relays large bodies all the same, and is asked only once', async () => {
  const body = 'x'.repeat(20 * 1024 * 1024)
  const isales = await plain(() => answerBytes(body))
  const upstream = openUpstream({ origin: isales.origin })
  const { status, text } = await dispatch(upstream)
  expect({ status, bytes: text.length }).toEqual({ status: 200, bytes: body.length })
  expect(refusing).toHaveBeenCalledTimes(1)
  expect(runInNewContext('typeof gc')).toBe('undefined')
})
