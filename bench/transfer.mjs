// Moves a large body through a proxy `count` times, one after the other, over one connection, and
// checks its length.
import { connect } from 'node:net'

const [direction, port, path, bytes, count] = process.argv
  .slice(2)
  .map((arg) => (/^\d+$/.test(arg) ? Number(arg) : arg))
const host = `Host: 127.0.0.1:${port}`
const chunk = Buffer.alloc(64 * 1024, 'isales')
const into = Buffer.alloc(256 * 1024)

let head = ''
let left = -1
let complete = () => undefined

const fail = (why) => {
  process.stderr.write(`${why}\n`)
  process.exit(1)
}

const take = (read) => {
  let body = read
  if (left < 0) {
    head += into.toString('latin1', 0, read)
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    if (!head.startsWith('HTTP/1.1 200 ')) fail(head.slice(0, end))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))
    if (!length) fail('response without a length')
    left = Number(length[1])
    if (direction === 'down' && left !== bytes) fail(`${left} bytes announced`)
    body = head.length - end - 4
    head = ''
  }
  left -= body
  if (left < 0) fail('more bytes than announced')
  if (left === 0) {
    left = -1
    complete()
  }
}

const socket = connect({
  port,
  host: '127.0.0.1',
  noDelay: true,
  onread: { buffer: into, callback: (read) => take(read) || true },
})
socket.on('error', (error) => fail(error.message))
socket.on('end', () => fail('connection closed'))
socket.on('connect', () => void run())

const upload = () => {
  socket.write(
    `POST ${path} HTTP/1.1\r\n${host}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`,
  )
  let unsent = bytes
  const more = () => {
    while (unsent > 0) {
      const size = Math.min(unsent, chunk.length)
      unsent -= size
      if (!socket.write(size === chunk.length ? chunk : chunk.subarray(0, size))) break
    }
    if (unsent > 0) socket.once('drain', more)
  }
  more()
}

const run = async () => {
  const begin = process.hrtime.bigint()
  for (let done = 0; done < count; done += 1) {
    const response = new Promise((resolve) => {
      complete = resolve
    })
    if (direction === 'down') socket.write(`GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`)
    else upload()
    await response
  }
  const ms = Number(process.hrtime.bigint() - begin) / 1e6
  process.stdout.write(`JSON ${JSON.stringify({ ms })}\n`)
  process.exit(0)
}
