// Baseline of a cold start: node:http that responds by itself.
import { createServer } from 'node:http'

const { PORT, BODY } = process.env

createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length })
  response.end(BODY)
}).listen(Number(PORT), '127.0.0.1')
