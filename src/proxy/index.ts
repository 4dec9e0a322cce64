// The data plane. `openProxy` takes each request of a client: it refuses it, serves a login, or forwards a business call
// with the token, again where that is safe (retry.ts), and relays the response.
export { openProxy } from './handler.ts'
export { isUnder } from './validate.ts'
