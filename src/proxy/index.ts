// The port for clients. `openProxy` refuses a request, serves a login, or forwards a business call with the token,
// repeats the call if that is safe (retry.ts), and relays the response. Its routes are in app.ts.
export { openProxy } from './app.ts'
export { isUnder } from './validate.ts'
