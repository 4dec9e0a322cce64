import { createServer } from 'node:http'
import fastProxy from 'fast-proxy'

const { PORT, UPSTREAM, HEADER_NAME, HEADER_VALUE } = process.env

const peer = fastProxy({ base: UPSTREAM })
const options = {
  rewriteRequestHeaders: (_request, headers) => ({ ...headers, [HEADER_NAME]: HEADER_VALUE }),
}

createServer((request, response) => {
  peer.proxy(request, response, request.url, options)
}).listen(Number(PORT), '127.0.0.1')
