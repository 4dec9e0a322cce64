// A TCP proxy that its parent stops by SIGSTOP: then the kernel completes no more connections than the backlog.
import { connect, createServer } from 'node:net'

const [host, to] = process.argv.slice(2)
const server = createServer((socket) => {
  const through = connect(Number(to), '127.0.0.1')
  socket.on('error', () => through.destroy())
  through.on('error', () => socket.destroy())
  socket.pipe(through).pipe(socket)
})
server.listen({ host, port: 0, backlog: 1 }, () => process.send(server.address().port))
