// The load: POSTs over connections that stay open, to one port at a time, in bursts. It reads a line of JSON for each
// burst (port, ms, connections) and writes one when all of its responses are there: requests, ms, wrong.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [path, requestBytes, responseBytes] = process.argv.slice(2)
const start = '{"subCCNo":1,"vdnId":1,"callData":"'
const body = `${start}${'x'.repeat(Number(requestBytes) - start.length - 2)}"}`
const request = Buffer.from(
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
)

/** The connections to a port, opened once, and again if the server has closed an idle one. */
const clients = new Map()
let burst

const openClient = (port) => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let busy = false
  const send = () => {
    busy = performance.now() < burst.endsAt
    if (busy) socket.write(request)
    else burst.done()
  }
  socket.setEncoding('latin1').on('data', (text) => {
    received += text
    const head = received.indexOf('\r\n\r\n')
    if (head === -1 || received.length < head + 4 + Number(responseBytes)) return
    burst.requests += 1
    if (received.length > head + 4 + Number(responseBytes) || !received.startsWith('HTTP/1.1 200'))
      burst.wrong += 1
    received = ''
    send()
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    if (!busy) return
    burst.wrong += 1
    burst.done()
  })
  return { send, isOpen: () => !socket.readableEnded && !socket.destroyed }
}

const clientsOf = (port, connections) => {
  const known = (clients.get(port) ?? []).filter((client) => client.isOpen())
  while (known.length < connections) known.push(openClient(port))
  clients.set(port, known)
  return known.slice(0, connections)
}

for await (const line of createInterface({ input: process.stdin })) {
  const { port, ms, connections } = JSON.parse(line)
  const all = clientsOf(port, connections)
  const begin = performance.now()
  await new Promise((resolve) => {
    let left = all.length
    burst = {
      requests: 0,
      wrong: 0,
      endsAt: begin + ms,
      done: () => (left -= 1) === 0 && resolve(),
    }
    for (const client of all) client.send()
  })
  const { requests, wrong } = burst
  process.stdout.write(`${JSON.stringify({ requests, wrong, ms: performance.now() - begin })}\n`)
}
process.exit(0)
