import { Agent as HttpAgent, createServer } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import httpProxy from 'http-proxy'

const { PORT, UPSTREAM, HEADER_NAME, HEADER_VALUE } = process.env

const Agent = UPSTREAM.startsWith('https:') ? HttpsAgent : HttpAgent
const proxy = httpProxy.createProxyServer({
  target: UPSTREAM,
  agent: new Agent({ keepAlive: true, maxSockets: 256 }),
  changeOrigin: true,
  secure: true,
  headers: { [HEADER_NAME]: HEADER_VALUE },
})
proxy.on('error', (_error, _request, response) => response.destroy())

createServer((request, response) => proxy.web(request, response)).listen(Number(PORT), '127.0.0.1')
