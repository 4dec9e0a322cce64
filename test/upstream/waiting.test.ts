import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Exchange } from '../../src/upstream/exchange.ts'
import { until } from '../support/until.ts'
import { dispatch, openUpstream, plain } from './support.ts'

const post = (body?: Buffer): Exchange =>
  new Exchange({ method: 'POST', path: '/aborted', headers: [], ...(body && { body }) })

/** Without `--expose-gc` on the command line. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

describe('a request that waits for a connection', () => {
  const BODY = 64 * 1024

  it('leaves nothing behind when it is aborted, and is never sent', async () => {
    const isales = await plain(() => new Promise(() => undefined))
    const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
    const first = dispatch(upstream)
    await until(() => isales.requests.length === 1)
    const bodies: WeakRef<Buffer>[] = []
    const begin = (): Exchange => {
      const body = Buffer.alloc(BODY)
      bodies.push(new WeakRef(body))
      const exchange = post(body)
      upstream.dispatch(exchange)
      return exchange
    }
    const waiting = Array.from({ length: 100 }, begin)
    const error = new Error('too late')
    const failures = waiting.splice(0).map((exchange) => {
      exchange.abort(error)
      return exchange.outcome.then((outcome) => [outcome, exchange.written])
    })
    expect(await Promise.all(failures)).toEqual(
      Array.from({ length: 100 }, () => [{ type: 'failed', error }, false]),
    )
    await until(() => {
      collectGarbage()
      return bodies.every((body) => body.deref() === undefined)
    })
    await upstream.destroy()
    expect(await first).toMatchObject({ failure: 'closed' })
    expect(isales.requests).toHaveLength(1)
  })

  it('fails as closed when the pool ends', async () => {
    const isales = await plain(() => new Promise(() => undefined))
    const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
    const outcomes = [dispatch(upstream), dispatch(upstream)]
    await until(() => isales.requests.length === 1)
    await upstream.destroy()
    const closed = { failure: 'closed' }
    expect(await Promise.all(outcomes)).toMatchObject([
      { ...closed, written: true },
      { ...closed, written: false },
    ])
    expect(await dispatch(upstream)).toMatchObject({ ...closed, written: false })
  })
})
