import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

const { PORT, UPSTREAM, HEADER_NAME, HEADER_VALUE } = process.env

const app = new Hono()
app.all('*', (c) => {
  const { pathname, search } = new URL(c.req.url)
  return proxy(`${UPSTREAM}${pathname}${search}`, {
    raw: c.req.raw,
    headers: { ...c.req.header(), [HEADER_NAME]: HEADER_VALUE },
  })
})
serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' })
