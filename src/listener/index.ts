// Client connections: TCP and TLS, the connection limiter, one request at a time per connection, limits of time and size,
// and the drain. The caller passes in the function that serves a request.
export { ListenError, tryToListen } from './listen.ts'
export { createListener, type ListenerLimits, type ListenerOptions } from './listener.ts'
