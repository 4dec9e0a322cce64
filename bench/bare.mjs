// What a cold start is measured against: node:http answering by itself.
import { createServer } from 'node:http'

const answer = process.env.ANSWER

createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
  response.end(answer)
}).listen(Number(process.env.PORT), '127.0.0.1')
