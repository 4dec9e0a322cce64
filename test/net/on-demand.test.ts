import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { honoListener } from '../../src/net/listener.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { answerOk, answersOf, GET, POST, startListener } from './support.ts'

const app = { fetch: () => new Response('of the app') }

/** A load that fails when it is told to. */
function vainLoad() {
  const waiting: (() => void)[] = []
  const load = () =>
    new Promise<typeof app>((_, reject) => {
      waiting.push(() => reject(new Error('out of descriptors')))
    })
  return { load, fail: async () => (await until(() => waiting.shift()))() }
}

/** What serves by the app, and answers `ok` by itself where that could not be. */
function serving(load: () => Promise<typeof app>) {
  const { serve } = honoListener(load)
  return (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch(() => answerOk(request, response))
  }
}

test('an app that could not be loaded is loaded with the next request', async () => {
  let loads = 0
  const { port } = await startListener(
    serving(async () => {
      loads += 1
      if (loads === 1) throw new Error('out of descriptors')
      return app
    }),
  )
  const client = await connectRaw({ port })
  const texts: string[] = []
  for (let n = 0; n < 3; n += 1) {
    await client.send(GET)
    texts.push((await client.read()).text)
  }
  expect([texts, loads]).toEqual([['ok', 'of the app', 'of the app'], 2])
  client.destroy()
})

test('whoever waits for an app that cannot be loaded is answered', async () => {
  const { load, fail } = vainLoad()
  const serve = serving(load)
  let seen = 0
  const { port } = await startListener((request, response) => {
    seen += 1
    serve(request, response)
  })
  const client = await connectRaw({ port })
  await client.send(GET + GET)
  await until(() => seen === 2)
  await fail()
  expect([(await client.read()).text, (await client.read()).text]).toEqual(['ok', 'ok'])
  client.destroy()
})

test('a request that breaks off while its app is loaded in vain is answered once', async () => {
  const { load, fail } = vainLoad()
  const { port, problems } = await startListener(serving(load))
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 20\r\n\r\nhi`)
  client.end()
  const answers = await answersOf(client)
  await fail()
  expect(answers.map(({ status }) => status)).toEqual([400])
  expect(problems).toEqual(['bad-request'])
})

test('an app that was loaded before is not loaded again, one that could not be is', async () => {
  let loads = 0
  const { load, serve } = honoListener(async () => {
    loads += 1
    if (loads === 1) throw new Error('out of descriptors')
    return app
  })
  load()
  await until(() => loads === 1)
  const { port } = await startListener((request, response) => void serve(request, response))
  expect((await exchangeRaw({ port }, GET)).text).toBe('of the app')
  load()
  expect((await exchangeRaw({ port }, GET)).text).toBe('of the app')
  expect(loads).toBe(2)
})

test.each([
  ['of HTTP/1.0 without Host', 'HTTP/1.0', ''],
  ['without a port behind the colon', 'HTTP/1.1', 'Host: x:\r\n'],
  ['with a Host that is no URL', 'HTTP/1.1', 'Host: a[b\r\n'],
])('a judged request %s finds the app by its target', async (_name, version, fields) => {
  const { serve } = honoListener(() =>
    Promise.resolve({ fetch: ({ url }) => new Response(new URL(url).pathname) }),
  )
  const { port } = await startListener(
    (request, response) => void serve(request, response, '/judged?a'),
  )
  const answer = await exchangeRaw({ port }, `GET http://y/ ${version}\r\n${fields}\r\n`)
  expect([answer.status, answer.text]).toEqual([200, '/judged'])
})

test('a request that nobody has judged needs a Host', async () => {
  const { serve } = honoListener(() => Promise.resolve(app))
  const { port } = await startListener((request, response) => void serve(request, response))
  expect((await exchangeRaw({ port }, 'GET /g HTTP/1.1\r\n\r\n')).status).toBe(400)
})
