// Gets a large body through a proxy `count` times, one after the other, over one connection, and checks its length.
import { once } from 'node:events'
import { Agent, request } from 'node:http'

const [port, path, ...numbers] = process.argv.slice(2)
const [bytes, count] = numbers.map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

const transfer = async () => {
  const sent = request({ host: '127.0.0.1', port, path, agent })
  sent.end()
  const [response] = await once(sent, 'response')
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
  let length = 0
  response.on('data', (part) => (length += part.length))
  await once(response, 'end')
  if (length !== bytes) throw new Error(`${length} bytes`)
}

const begin = performance.now()
for (let done = 0; done < count; done += 1) await transfer()
process.stdout.write(`JSON ${JSON.stringify({ ms: performance.now() - begin })}\n`)
process.exit(0)
