// Moves a large body through a proxy `count` times, one after the other, over one connection, and checks its length.
import { connect } from 'node:net'

const [direction, port, path, bytes, count, authorization] = process.argv
  .slice(2)
  .map((arg) => (/^\d+$/.test(arg) ? Number(arg) : arg))
const fields = [
  `Host: 127.0.0.1:${port}`,
  ...(authorization ? [`Authorization: ${authorization}`] : []),
].join('\r\n')
const piece = Buffer.alloc(64 * 1024, 'isales')
const into = Buffer.alloc(256 * 1024)

let head = ''
let left = -1
let answered = () => undefined

const broken = (why) => {
  process.stderr.write(`${why}\n`)
  process.exit(1)
}

const take = (read) => {
  let body = read
  if (left < 0) {
    head += into.toString('latin1', 0, read)
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    if (!head.startsWith('HTTP/1.1 200 ')) broken(head.slice(0, end))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))
    if (!length) broken('answer without a length')
    left = Number(length[1])
    if (direction === 'down' && left !== bytes) broken(`${left} bytes announced`)
    body = head.length - end - 4
    head = ''
  }
  left -= body
  if (left < 0) broken('more bytes than announced')
  if (left === 0) {
    left = -1
    answered()
  }
}

const socket = connect({
  port,
  host: '127.0.0.1',
  noDelay: true,
  onread: { buffer: into, callback: (read) => take(read) || true },
})
socket.on('error', (error) => broken(error.message))
socket.on('end', () => broken('connection closed'))
socket.on('connect', () => void run())

const upload = () => {
  socket.write(
    `POST ${path} HTTP/1.1\r\n${fields}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`,
  )
  let unsent = bytes
  const more = () => {
    while (unsent > 0) {
      const size = Math.min(unsent, piece.length)
      unsent -= size
      if (!socket.write(size === piece.length ? piece : piece.subarray(0, size))) break
    }
    if (unsent > 0) socket.once('drain', more)
  }
  more()
}

const run = async () => {
  const begin = process.hrtime.bigint()
  for (let done = 0; done < count; done += 1) {
    const answer = new Promise((resolve) => {
      answered = resolve
    })
    if (direction === 'down') socket.write(`GET ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)
    else upload()
    await answer
  }
  const ms = Number(process.hrtime.bigint() - begin) / 1e6
  process.stdout.write(`JSON ${JSON.stringify({ ms })}\n`)
  process.exit(0)
}
