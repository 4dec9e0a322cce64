import type { RequestListener } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { until, within } from '../support/until.ts'
import { openWorld } from '../support/world.ts'
import { runHere } from './stand.ts'

/** An admin listener that responds as it is told. Returns the environment that names it. */
async function adminThat(responses: RequestListener): Promise<{ readonly ADMIN_LISTEN: string }> {
  const server = await serveHttp(responses)
  onTestFinished(server.close)
  return { ADMIN_LISTEN: `127.0.0.1:${server.port}` }
}

describe('check --health', () => {
  it('asks the running proxy, on all interfaces too, without the rest of its configuration', async () => {
    const world = await openWorld({ env: { ADMIN_LISTEN: '0.0.0.0:0' } })
    // The first request loads the app, which takes its time on a busy machine.
    await call(`${world.admin}/livez`)
    const { port } = new URL(world.admin)
    for (const host of ['127.0.0.1', '0.0.0.0', ''])
      expect(
        await runHere(['check', '--health'], { env: { ADMIN_LISTEN: `${host}:${port}` } }),
      ).toEqual({ code: 0, stdout: 'The proxy responded 200.\n', stderr: '' })
  })

  const nobody = async () => ({ ADMIN_LISTEN: `127.0.0.1:${await freePort()}` })
  it.each([
    ['nobody listens', nobody, 'ECONNREFUSED'],
    ['there is no response in time', () => adminThat(() => undefined), 'no response in time'],
  ])('fails when %s', async (_, begin, why) => {
    const env = await begin()
    const { code, stdout } = await within(runHere(['check', '--health'], { env }), 'check --health')
    expect([code, stdout]).toEqual([
      5,
      expect.stringContaining(
        `The proxy did not respond at ${env.ADMIN_LISTEN} (${why}). Check that`,
      ),
    ])
  })

  const saying =
    (status: number, body = ''): RequestListener =>
    (_, response) =>
      response.writeHead(status).end(body)
  it.each<[string, RequestListener, string]>([
    ['an error', saying(500), 'responded 500'],
    ['a reason that is not ours', saying(503, '{"reason":"\\u001b[31m"}'), 'responded 503'],
    ['a reason of ours', saying(503, '{"reason":"no-token"}'), 'responded 503 (no-token)'],
    ['a flood', saying(503, 'x'.repeat(5_000_000)), 'responded 503'],
    [
      'a cut response',
      (_, response) => response.writeHead(200, { 'Content-Length': 9 }).destroy(),
      'did not respond',
    ],
  ])('tells of %s', async (_, responses, text) => {
    const { code, stdout } = await runHere(['check', '--health'], {
      env: await adminThat(responses),
    })
    expect(code).toBe(5)
    expect(stdout).toMatch(new RegExp(`^The proxy ${text.replaceAll(/[()]/g, '\\$&')}`))
    expect(stdout).not.toContain('\u001B')
  })

  it.each([
    ['127.0.0.1:0', 'ADMIN_LISTEN has port 0'],
    ['nonsense', 'ADMIN_LISTEN is not an address'],
  ])('cannot ask %s', async (ADMIN_LISTEN, problem) => {
    const { code, stderr } = await runHere(['check', '--health'], { env: { ADMIN_LISTEN } })
    expect(code).toBe(2)
    expect(stderr).toContain(problem)
  })
})

describe('wait', () => {
  it('waits while it is not, or is not there yet', async () => {
    let asked = 0
    const env = await adminThat((_, response) => {
      asked++
      response.writeHead(asked < 3 ? 503 : 200).end()
    })
    expect((await runHere(['wait', '--timeout', '10s'], { env })).code).toBe(0)
    expect(asked).toBe(3)
  })

  it('gives up after its time, and says why', async () => {
    const paths: (string | undefined)[] = []
    const env = await adminThat((request, response) => {
      paths.push(request.url)
      response.writeHead(503).end('{"reason":"no-token"}')
    })
    const { code, stderr } = await runHere(['wait', '--timeout', '0.3s'], { env })
    expect(code).toBe(5)
    expect(stderr).toBe('Not ready within 300ms: The proxy responded 503 (no-token).\n')
    expect(new Set(paths)).toEqual(new Set(['/readyz', '/status.json']))
    expect((await runHere(['wait', '--timeout=0'], { env })).code).toBe(5)
  })

  it.each(['SIGINT', 'SIGTERM'])('ends at the first %s', async (name) => {
    let asked = 0
    const env = await adminThat((_, response) => {
      asked++
      response.writeHead(503).end()
    })
    const signal = new AbortController()
    const running = runHere(['wait'], { env, signal: signal.signal })
    await until(() => asked > 0)
    signal.abort(name)
    expect((await within(running, 'wait after a signal')).code).toBe(name === 'SIGINT' ? 130 : 143)
  })
})
