// The floor: the cost of Node and undici for a proxy that only adds one header. The floor checks
// nothing, counts nothing and handles no failure; the difference to it is the cost of the guarantees.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
// The project's own undici, so that both sides of the ratio run the same one.
import { Pool } from '../node_modules/undici/index.js'

const { PORT, UPSTREAM, AUTHORIZATION, CA_FILE } = process.env
const KEPT = 64 * 1024

const pool = new Pool(UPSTREAM, {
  connections: 256,
  pipelining: 1,
  ...(CA_FILE && { connect: { ca: readFileSync(CA_FILE) } }),
})

class ResponseHandler {
  constructor(response) {
    this.response = response
  }
  onRequestStart(controller) {
    this.controller = controller
    this.response.on('drain', () => controller.resume())
  }
  onResponseStart(controller, status) {
    const headers = []
    for (const header of controller.rawHeaders) headers.push(header.toString('latin1'))
    this.response.writeHead(status, headers)
  }
  onResponseData(controller, chunk) {
    // A client that has left never drains: its response is read to the end, or the connection
    // would be lost.
    if (!this.response.write(chunk) && !this.response.destroyed) controller.pause()
  }
  onResponseEnd() {
    this.response.end()
  }
  onResponseError() {
    this.response.destroy()
  }
}

const send = (request, response, body) => {
  const headers = request.rawHeaders
  headers.push('authorization', AUTHORIZATION)
  const { url: path, method } = request
  pool.dispatch({ path, method, headers, body, reset: false }, new ResponseHandler(response))
}

createServer((request, response) => {
  const length = Number(request.headers['content-length'] ?? 0)
  if (length === 0) send(request, response, null)
  else if (length > KEPT) send(request, response, request)
  else process.nextTick(() => send(request, response, request.read() ?? request))
}).listen(Number(PORT), '127.0.0.1')
