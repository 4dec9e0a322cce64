import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { ListenerLimits } from '../../src/listener/listener.ts'
import {
  responsesOf,
  leftOf,
  respondOk,
  leaveThree,
  GET,
  LIMITS,
  POST,
  startListener,
} from './support.ts'

const HOST = '127.0.0.1'

test('a response in progress is neither cut nor written into by garbage behind its request', async () => {
  let held: ServerResponse | undefined
  const { port, problems } = await startListener((_request, response) => {
    held = response
  })
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 2\r\n\r\nhi`)
  await until(() => held !== undefined)
  held?.writeHead(200, ['Content-Length', '10'])
  held?.write('hello')
  await client.send('GARBAGE\x01\r\n\r\n')
  await until(() => client.left().includes('hello'))
  held?.end('world')
  const responses = await responsesOf(client)
  expect(responses.map(({ status, text }) => [status, text.slice(0, 10)])).toEqual([
    [200, 'helloworld'],
    [400, '{"type":"h'],
  ])
  expect(problems).toEqual(['bad-request'])
})

test.each([
  ['another request', GET],
  ['garbage', '\0\x01\x02'],
])(
  '%s behind a Connection: close does not kill the response in progress',
  async (_name, behind) => {
    let held: ServerResponse | undefined
    const { port, problems } = await startListener((_request, response) => {
      held = response
    })
    const client = await connectRaw({ port })
    await client.send(`${POST}Connection: close\r\nContent-Length: 2\r\n\r\nhi${behind}`)
    await until(() => held !== undefined)
    held?.writeHead(200, ['Content-Length', '2']).end('ok')
    const responses = await responsesOf(client)
    expect(responses.map(({ status }) => status)).toEqual([200])
    expect(problems).toEqual([])
  },
)

test('requests in a row get their responses in order', async () => {
  const { port } = await startListener((request, response) => {
    setTimeout(() => response.end(request.url), request.url === '/1' ? 30 : 0)
  })
  const client = await connectRaw({ port })
  for (const n of [1, 2, 3]) await client.send(`GET /${n} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const texts = [await client.read(), await client.read(), await client.read()]
  expect(texts.map(({ text }) => text)).toEqual(['/1', '/2', '/3'])
  client.destroy()
})

test('a client that closes its sending side is gone', async () => {
  const closed: boolean[] = []
  const { port, listener } = await startListener((_request, response) => {
    response.once('close', () => closed.push(response.headersSent))
  })
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 2\r\n\r\nhi`)
  client.end()
  expect(await leftOf(client)).toBe('')
  await until(() => listener.connections() === 0)
  expect(closed).toEqual([false])
})

test('Upgrade is ignored; the response closes, for what came behind the request is lost', async () => {
  const urls: string[] = []
  const { port } = await startListener((request, response) => {
    urls.push(request.url ?? '')
    request.resume()
    setTimeout(() => respondOk(request, response), 20)
  })
  const client = await connectRaw({ port })
  await client.send(
    `GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n${GET}`,
  )
  await client.send(GET)
  const responses = await responsesOf(client)
  expect(responses.map((response) => [response.status, response.header('connection')])).toEqual([
    [200, 'close'],
  ])
  expect(urls).toEqual(['/u'])
})

test('Expect: 100-continue is handed on, to be dealt with before the body is read', async () => {
  const { port } = await startListener((request, response) => {
    response.writeContinue()
    request.resume().on('end', () => respondOk(request, response))
  })
  const client = await connectRaw({ port })
  await client.send(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`)
  expect((await client.readInterim()).status).toBe(100)
  await client.send('hi')
  expect((await client.read()).text).toBe('ok')
  client.destroy()
})

test('any other expectation is handed on, to be judged with the rest of the request', async () => {
  const { port, problems } = await startListener((request, response) => {
    response.end(request.headers.expect)
  })
  const client = await connectRaw({ port })
  await client.send(`${POST}Expect: 200-ok\r\nContent-Length: 2\r\n\r\nhi`)
  expect((await client.read()).text).toBe('200-ok')
  expect(problems).toEqual([])
  client.destroy()
})

test.each([
  ['nothing', ''],
  ['half a header', 'POST /p HTTP/1.1\r\nHo'],
])('a client that sends %s gets a 408 after the header timeout', async (_name, bytes) => {
  const limits = { ...LIMITS, headerTimeout: 150 }
  const { port, problems } = await startListener(respondOk, { limits })
  const client = await connectRaw({ port })
  await client.send(bytes)
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([408])
  expect(problems).toEqual(['request-timeout'])
})

test('a body that stops behind a response in progress gets its response in its turn', async () => {
  const limits = { ...LIMITS, bodyIdleTimeout: 100 }
  const held: ServerResponse[] = []
  const { port, problems } = await startListener((_request, response) => held.push(response), {
    limits,
  })
  const client = await connectRaw({ port })
  await client.send(`${GET}${POST}Content-Length: 20\r\n\r\nhi`)
  await until(() => problems.length === 1)
  // Several looks later the response in front is still whole.
  expect(await client.silent(300)).toBe(true)
  held[0]?.writeHead(200, ['Content-Length', '2']).end('ok')
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200, 408])
  expect(problems).toEqual(['request-timeout'])
})

/** A listener that reads bodies; `looked` waits until it has looked at a connection after so many bytes of a body. */
async function startWatched(limits: ListenerLimits, now: () => number) {
  let [received, looks] = [0, 0]
  const listener = await startListener(
    (request, response) => {
      request.on('data', (chunk: Buffer) => (received += chunk.length))
      request.on('end', () => respondOk(request, response))
    },
    {
      limits,
      now() {
        looks += 1
        return now()
      },
    },
  )
  const looked = async (bytes: number): Promise<void> => {
    await until(() => received === bytes)
    // A look asks for the time twice, and one may be going on.
    const before = looks
    await until(() => looks >= before + 4)
  }
  return { ...listener, looked }
}

test('a body of 1 KiB within each idle timeout is not idle', async () => {
  let now = 0
  const limits = { ...LIMITS, bodyIdleTimeout: 200 }
  const { port, problems, looked } = await startWatched(limits, () => now)
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: ${8 * 1024}\r\n\r\n`)
  for (let sent = 1; sent < 8; sent += 1) {
    now += 150
    await client.send('x'.repeat(1024))
    await looked(sent * 1024)
  }
  await client.send('x'.repeat(1024))
  expect((await client.read()).status).toBe(200)
  expect(problems).toEqual([])
  client.destroy()
})

test('a body that crawls gets a 408', async () => {
  let now = 0
  const limits = { ...LIMITS, bodyIdleTimeout: 200 }
  const { port, problems, looked } = await startWatched(limits, () => now)
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 8\r\n\r\nx`)
  await looked(1)
  now += 150
  await client.send('x'.repeat(6))
  await looked(7)
  expect(problems).toEqual([])
  now += 50
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([408])
  expect(problems).toEqual(['request-timeout'])
})

test('a body that came while the process did not run is not idle', async () => {
  const limits = { ...LIMITS, bodyIdleTimeout: 150 }
  const { port, problems, looked } = await startWatched(limits, () => performance.now())
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 2\r\n\r\nh`)
  await looked(1)
  client.socket.write('i')
  const until400 = performance.now() + 400
  while (performance.now() < until400);
  expect((await client.read()).status).toBe(200)
  expect(problems).toEqual([])
  client.destroy()
})

test('a body that we do not read, and a slow response, are not a timeout of the client', async () => {
  const limits = { ...LIMITS, bodyIdleTimeout: 100 }
  const { port, problems } = await startListener(
    (request, response) => {
      // Unread for far longer than the idle timeout, and then a late response.
      setTimeout(() => {
        request.resume().on('end', () => setTimeout(() => respondOk(request, response), 400))
      }, 400)
    },
    { limits },
  )
  const client = await connectRaw({ port })
  const size = 8 * 1024 * 1024
  await client.send(`${POST}Content-Length: ${size}\r\n\r\n${'x'.repeat(size)}`)
  await client.read()
  expect(problems).toEqual([])
  client.destroy()
})

test('an early response does not keep a connection whose body never comes', async () => {
  const limits = { ...LIMITS, bodyIdleTimeout: 150 }
  const { port, listener } = await startListener(respondOk, { limits })
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 20\r\n\r\nhi`)
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200])
  await until(() => listener.connections() === 0)
})

test('a port that is taken fails with a plain sentence', async () => {
  const { port } = await startListener(respondOk)
  const address = { kind: 'tcp', host: HOST, port } as const
  await expect(startListener(respondOk, { address })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port}: in use by another process`,
  )
})

test('a client that leaves is noticed by each of its requests, once', async () => {
  const { held, closed } = await leaveThree()
  expect(closed).toEqual(held)
  expect(held.every(({ destroyed }) => destroyed)).toBe(true)
})
