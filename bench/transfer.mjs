// Moves a large body through a proxy `count` times, one after the other, over one connection, and
// checks its length.
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { Readable } from 'node:stream'

const [direction, port, path, ...numbers] = process.argv.slice(2)
const [bytes, count] = numbers.map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const chunk = Buffer.alloc(64 * 1024, 'isales')

function* chunks() {
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left)
}

const transfer = async () => {
  const isUp = direction === 'up'
  const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes }
  const options = isUp ? { method: 'POST', headers } : {}
  const sent = request({ host: '127.0.0.1', port, path, agent, ...options })
  if (isUp) Readable.from(chunks()).pipe(sent)
  else sent.end()
  const [response] = await once(sent, 'response')
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
  let length = 0
  response.on('data', (part) => (length += part.length))
  await once(response, 'end')
  if (!isUp && length !== bytes) throw new Error(`${length} bytes`)
}

const begin = performance.now()
for (let done = 0; done < count; done += 1) await transfer()
process.stdout.write(`JSON ${JSON.stringify({ ms: performance.now() - begin })}\n`)
process.exit(0)
