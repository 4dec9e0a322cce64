// The port for clients. `openProxy` takes each of their requests: it refuses it, serves a login, or forwards a business
// call with the token, again where that is safe (retry.ts), and relays the response. Its routes are in app.ts.
export { openProxy } from './app.ts'
export { isUnder } from './validate.ts'
