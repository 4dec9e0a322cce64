import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createRelay, failedResult } from '../../src/proxy/relay.ts'
import { manualClock } from '../support/manual-clock.ts'

// While too many calls are in flight, the limit is shorter: test/behaviour/slow-clients.test.ts.
const MIB = 1024 * 1024

function follow() {
  const clock = manualClock()
  const socket = { bytesWritten: 0, encrypted: true }
  const response = Object.assign(new EventEmitter(), {
    socket,
    cut: false,
    destroy() {
      response.cut = true
      response.emit('close')
    },
  })
  const { wait } = createRelay(clock).watchReader(response as unknown as ServerResponse)
  /** Lets the response wait for `ms` for the client, which then takes `bytes`; returns true if it was cut. */
  const take = async (ms: number, bytes = 0): Promise<boolean> => {
    wait()
    await clock.advance(ms)
    socket.bytesWritten += bytes
    response.emit('drain')
    return response.cut
  }
  return { clock, take }
}

test('a client that takes 4 MiB within 3 s keeps its response, however long iSales takes', async () => {
  const { clock, take } = follow()
  for (let n = 0; n < 10; n += 1) {
    expect([await take(1000, MIB), await take(1999, 3 * MIB)]).toEqual([false, false])
    await clock.advance(60_000)
  }
})

test.each([
  ['nothing', 0],
  ['too little', 4 * MIB - 1],
])('a client that takes %s within 3 s is cut', async (_name, bytes) => {
  const { clock, take } = follow()
  expect(await take(1000, bytes)).toBe(false)
  await clock.advance(60_000)
  expect([await take(1999), await take(1)]).toEqual([false, true])
})

test.each<readonly [string, string | undefined]>([
  ['{"result":0}', undefined],
  ['{ "result" : "0", "resultData": {} }', undefined],
  ['{"result":7}', '7'],
  ['{"message":"no \\"result\\":3","result":"-1"}', '-1'],
  ['{"resultData":[{"result":"busy"}],"result":0}', undefined],
  ['{"resultData":{"result":5},"result":"E1"}', 'E1'],
  ['{"resultData":{"result":5}', undefined],
  ['{"result":{"result":5}}', undefined],
  ['[{"result":5}]', undefined],
  ['<script>{"result":5}</script>', undefined],
  [`{"text":"${'x'.repeat(300)}","result":5}`, undefined],
  ['', undefined],
])('the result of %s is %s', (body, result) => {
  expect(failedResult(Buffer.from(body))).toBe(result)
})
