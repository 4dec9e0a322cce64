import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawClient } from '../support/raw-client.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import {
  chunkedPost,
  gate,
  get,
  loginResponse,
  openStand,
  PATH,
  post,
  type Stand,
} from '../proxy/stand.ts'

const NEXT = '/rest/isales/next'

/** The response to the next request, when nothing is left of the one before it. */
async function recovered(stand: Stand): Promise<string> {
  await stand.idle()
  const { text } = await stand.exchange(get([], { path: NEXT }))
  await stand.idle()
  return text
}

const waiting = (stand: Stand, count: number) =>
  until(async () => (await stand.metric('token_waiters')) === count)
const bodies = (stand: Stand) => stand.business().map(({ body }) => body.toString())

/** Never responds at one path. */
const respond = (request: { readonly target: string }) =>
  request.target === PATH ? '' : responseBytes('next')

const leave = {
  resets: (client: RawClient) => client.reset(),
  closes: (client: RawClient) => client.end(),
}

// A client that closes its side is gone, as for nginx and Go's net/http.
describe.each(['resets', 'closes'] as const)('the client %s its connection', (how) => {
  let stand: Stand
  beforeAll(async () => {
    stand = await openStand({ shared: true })
  })
  afterAll(() => stand.stop())

  it.each([
    ['of known length', post('x'.repeat(200_000)).slice(0, -100)],
    ['in chunks', chunkedPost(['x'.repeat(100_000), 'def']).slice(0, -5)],
  ])('within a body %s: iSales sees nothing of it', async (_, bytes) => {
    stand.serve(respond)
    const before = stand.upstream.received()
    const client = await stand.connect()
    await client.send(bytes)
    expect(await client.silent(50)).toBe(true)
    expect(stand.upstream.received()).toBe(before)
    leave[how](client)
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })

  it('behind its request while the first token is awaited: nothing is sent', async () => {
    const login = gate()
    const tokenless = await openStand({
      respond,
      login: (n) => login.opened.then(() => loginResponse(n)),
      authenticated: false,
      env: { CLIENT_DEADLINE: '30s' },
    })
    const client = await tokenless.connect()
    await client.send(post('x'))
    await waiting(tokenless, 1)
    leave[how](client)
    await waiting(tokenless, 0)
    login.open()
    expect(await recovered(tokenless)).toBe('next')
    expect(bodies(tokenless)).toEqual([''])
  })
})
