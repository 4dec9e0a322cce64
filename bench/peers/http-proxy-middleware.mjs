import { Agent as HttpAgent, createServer } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createProxyMiddleware } from 'http-proxy-middleware'

const { PORT, UPSTREAM, HEADER_NAME, HEADER_VALUE } = process.env

const Agent = UPSTREAM.startsWith('https:') ? HttpsAgent : HttpAgent
const middleware = createProxyMiddleware({
  target: UPSTREAM,
  agent: new Agent({ keepAlive: true, maxSockets: 256 }),
  changeOrigin: true,
  secure: true,
  headers: { [HEADER_NAME]: HEADER_VALUE },
})

createServer((request, response) => {
  void middleware(request, response, () => response.destroy())
}).listen(Number(PORT), '127.0.0.1')
