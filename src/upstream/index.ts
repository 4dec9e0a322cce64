// Connections to iSales. `createUpstream` opens a pool for business calls and one for logins; an `Exchange` is an
// attempt to send a business call. undici is imported only here.
export { Exchange, type ExchangeStarter, type ResponseHead } from './exchange.ts'
export { createUpstream, type LIMITS, type Upstream } from './pool.ts'
export { SENT_HEADERS, type Post, type PostResult } from './post.ts'
