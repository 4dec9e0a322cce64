// Connections of clients: TCP and TLS, the one gate that says which of them stay, one request at a time on each, limits
// of time and size, clients that read slowly, and the drain. Who serves a request is passed in.
export { ListenError, tryToListen } from './listen.ts'
export { createListener, type ListenerLimits, type ListenerOptions } from './listener.ts'
