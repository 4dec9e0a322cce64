import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request, type IncomingMessage, type RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { until } from '../support/until.ts'

// Whole processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 30_000 })

const bench = (file: string): string =>
  fileURLToPath(new URL(`../../bench/${file}`, import.meta.url))

async function run(file: string, ...args: string[]) {
  const child = spawn(process.execPath, [bench(file), ...args])
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code: code as number, stdout }
}

async function serve(listener: RequestListener): Promise<number> {
  const server = await serveHttp(listener)
  onTestFinished(server.close)
  return server.port
}

test('a large body of another length than asked for is an error, not a figure', async () => {
  const body = Buffer.alloc(1024 * 1024)
  const respond: RequestListener = (_, response) =>
    response.writeHead(200, { 'Content-Length': body.length }).end(body)
  const port = String(await serve(respond))
  const { code, stdout } = await run('transfer.mjs', port, '/', '1048577', '1')
  expect(code).toBe(1)
  expect(stdout).toBe('')
})

test('the floor, which the first bar is measured against, adds the header and passes bodies whole', async () => {
  const seen: { authorization: string | undefined; length: number }[] = []
  const upstream = await serve((incoming, response) => {
    const { authorization } = incoming.headers
    let length = 0
    incoming.on('data', (chunk: Buffer) => (length += chunk.length))
    incoming.on('end', () => {
      seen.push({ authorization, length })
      response.writeHead(200, { 'Content-Length': length }).end(Buffer.alloc(length))
    })
  })
  const port = await floorBefore(upstream)
  for (const length of [0, 700, 1024 * 1024]) expect(await bytesFrom(port, length)).toBe(length)
  seen.shift() // the one that found it listening
  expect(seen).toEqual(
    [0, 700, 1024 * 1024].map((length) => ({ authorization: 'Bearer floor', length })),
  )
})

async function floorBefore(upstream: number): Promise<number> {
  const port = await freePort()
  const floor = spawn(process.execPath, [bench('floor.mjs')], {
    env: {
      PORT: String(port),
      UPSTREAM: `http://127.0.0.1:${upstream}`,
      AUTHORIZATION: 'Bearer floor',
    },
  })
  onTestFinished(() => void floor.kill())
  // Until it listens.
  await until(() =>
    bytesFrom(port, 0).then(
      () => true,
      () => false,
    ),
  )
  return port
}

async function bytesFrom(port: number, length: number): Promise<number> {
  const sent = request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  sent.setHeader('Content-Length', length)
  sent.end(Buffer.alloc(length))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length
  return bytes
}
