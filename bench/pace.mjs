// An open-loop load: a request every 1/rate s whether or not earlier ones were answered, so that a stalled proxy
// faces the requests that real clients would have sent meanwhile (no coordinated omission). A request that finds no
// idle connection opens one, or waits for one, and its wait counts. Timed from the tick that it falls due in, since
// Node's timers are only good to a millisecond; that lateness is reported, and is the same whatever is measured.
import { connect } from 'node:net'

const [port, path, rate, seconds, length, authorization] = process.argv
  .slice(2)
  .map((arg) => (/^\d+$/.test(arg) ? Number(arg) : arg))
const now = () => Number(process.hrtime.bigint()) / 1000
const body = '{"subCCNo":1,"vdnId":1,"callData":"'.padEnd(length - 2, 'x') + '"}'
const fields = [
  `Host: 127.0.0.1:${port}`,
  'Content-Type: application/json',
  `Content-Length: ${length}`,
  ...(authorization ? [`Authorization: ${authorization}`] : []),
]
const request = Buffer.from(`POST ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`)
const MOST_CONNECTIONS = 512
const WARM_MS = 500

const idle = []
const took = []
const late = []
let connections = 0
const waiting = []
let wrong = 0
let record = false

/** Where an answer ends, or -1: by its length, or by the last chunk (the answers here have no trailers). */
const answerEnd = (text) => {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return -1
  const known = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))
  if (known) return head + 4 + Number(known[1])
  const last = text.indexOf('0\r\n\r\n', head + 4)
  return last < 0 ? -1 : last + 5
}

const open = (firstDue) => {
  connections += 1
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let since = 0
  const send = (due) => {
    since = due
    socket.write(request)
  }
  socket.setEncoding('latin1')
  socket.on('data', (text) => {
    received += text
    const end = answerEnd(received)
    if (end < 0 || received.length < end) return
    if (record) took.push(now() - since)
    if (!received.startsWith('HTTP/1.1 200 ') || received.length !== end) wrong += 1
    received = ''
    const next = waiting.shift()
    if (next === undefined) idle.push(send)
    else send(next)
  })
  const fail = () => {
    wrong += 1
  }
  socket.on('error', fail)
  socket.on('end', fail)
  socket.on('connect', () => send(firstDue))
}

const begin = now()
let begun = 0
const tick = () => {
  const elapsed = now() - begin
  if (!record && elapsed > WARM_MS * 1000) record = true
  if (elapsed > WARM_MS * 1000 + seconds * 1e6) return finish()
  const behind = Math.floor((elapsed * rate) / 1e6) - begun
  for (let n = 0; n < behind; n += 1) {
    if (record) late.push(elapsed - (begun * 1e6) / rate)
    begun += 1
    const send = idle.pop()
    if (send) send(now())
    else if (connections < MOST_CONNECTIONS) open(now())
    else waiting.push(now())
  }
  setTimeout(tick, 1)
}

const percentile = (numbers, share) =>
  numbers.sort((a, b) => a - b)[Math.floor((numbers.length - 1) * share)]
const finish = () => {
  const result = {
    p50: percentile(took, 0.5),
    p99: percentile(took, 0.99),
    lateP99: percentile(late, 0.99),
    answered: took.length,
    connections,
    wrong,
  }
  process.stdout.write(`JSON ${JSON.stringify(result)}\n`)
  process.exit(0)
}
tick()
