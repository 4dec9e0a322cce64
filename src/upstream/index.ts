// Connections to iSales. `createUpstream` opens a pool of them for business calls and one for logins; an `Exchange` is one
// try to send a business call; `classify` says what a failure of one means. undici is imported here alone.
export { classify, type UpstreamFailure } from './errors.ts'
export { Exchange, type ExchangeHooks, type ResponseHead } from './exchange.ts'
export { placesOf } from './places.ts'
export { createUpstream, LIMITS, type Upstream } from './pool.ts'
export type { Post, PostResult } from './post.ts'
