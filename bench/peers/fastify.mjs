import proxy from '@fastify/http-proxy'
import fastify from 'fastify'

const { PORT, UPSTREAM, HEADER_NAME, HEADER_VALUE } = process.env

const app = fastify()
app.register(proxy, {
  upstream: UPSTREAM,
  undici: { connections: 256, pipelining: 1 },
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, [HEADER_NAME]: HEADER_VALUE }),
  },
})
await app.listen({ port: Number(PORT), host: '127.0.0.1' })
