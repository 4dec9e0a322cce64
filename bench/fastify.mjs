// The peer: @fastify/http-proxy as its documentation shows it.
import proxy from '@fastify/http-proxy'
import fastify from 'fastify'

const { PORT, UPSTREAM, AUTHORIZATION } = process.env

const app = fastify()
app.register(proxy, {
  upstream: UPSTREAM,
  undici: { connections: 256, pipelining: 1 },
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: AUTHORIZATION }),
  },
})
await app.listen({ port: Number(PORT), host: '127.0.0.1' })
