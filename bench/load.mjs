// The load: POSTs over connections that stay open, to one port at a time. It reads a line of JSON for each order, and
// writes one when all of its responses are there: requests, ms, wrong, and the slowest call in ms.
// - A burst (port, connections, ms): every connection sends one call after the other.
// - A steady load (port, connections, calls, perSecond): calls begin at fixed times, however long others take.
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

const openClient = (port) => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let [begin, ended] = [0, undefined]
  const client = {
    /** @param dueAt when the call begins. @param onEnd called with this client, if the response was right, and the ms. */
    send(dueAt, onEnd) {
      begin = dueAt
      ended = onEnd
      if (client.isOpen()) socket.write(request)
      else process.nextTick(end, false)
    },
    isOpen: () => !socket.readableEnded && !socket.destroyed,
  }
  const end = (isRight) => {
    const onEnd = ended
    ended = undefined
    received = ''
    onEnd?.(client, isRight, performance.now() - begin)
  }
  socket.setEncoding('latin1').on('data', (text) => {
    received += text
    const head = received.indexOf('\r\n\r\n')
    if (head === -1 || received.length < head + 4 + Number(responseBytes)) return
    end(received.length === head + 4 + Number(responseBytes) && received.startsWith('HTTP/1.1 200'))
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => end(false))
  return client
}

const clientsOf = (port, connections) => {
  const known = (clients.get(port) ?? []).filter((client) => client.isOpen())
  while (known.length < connections) known.push(openClient(port))
  clients.set(port, known)
  return known.slice(0, connections)
}

/** Calls `count` after each response; resolves when every client is idle. */
const burst = (all, { ms }, count) =>
  new Promise((resolve) => {
    const endsAt = performance.now() + ms
    let left = all.length
    const next = (client, isRight, took) => {
      count(isRight, took)
      const now = performance.now()
      if (now < endsAt && client.isOpen()) client.send(now, next)
      else if ((left -= 1) === 0) resolve()
    }
    for (const client of all) client.send(performance.now(), next)
  })

const steadyLoad = (all, { calls, perSecond }, count) =>
  new Promise((resolve) => {
    const begin = performance.now()
    const idle = [...all]
    let [sent, ended] = [0, 0]
    const next = (client, isRight, took) => {
      count(isRight, took)
      idle.push(client)
      if ((ended += 1) === calls) resolve(clearInterval(timer))
      else sendDue()
    }
    const sendDue = () => {
      const due = Math.min(calls, ((performance.now() - begin) * perSecond) / 1000)
      for (; sent < due && idle.length > 0; sent += 1)
        idle.shift().send(begin + (sent * 1000) / perSecond, next)
    }
    const timer = setInterval(sendDue, 1)
  })

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  const all = clientsOf(order.port, order.connections)
  const result = { requests: 0, wrong: 0, slowest: 0 }
  const begin = performance.now()
  await (order.calls === undefined ? burst : steadyLoad)(all, order, (isRight, took) => {
    result.requests += 1
    if (!isRight) result.wrong += 1
    result.slowest = Math.max(result.slowest, took)
  })
  process.stdout.write(`${JSON.stringify({ ...result, ms: performance.now() - begin })}\n`)
}
process.exit(0)
