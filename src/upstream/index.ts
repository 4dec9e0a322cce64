// Connections to iSales. `createUpstream` opens a pool of them for business calls and one for logins; an `Exchange` is one
// try to send a business call. undici is imported here alone.
export { placesOf } from './endpoints.ts'
export { Exchange, type ResponseHead, type UpstreamFailure } from './exchange.ts'
export { createUpstream, type LIMITS, type Upstream } from './pool.ts'
export type { Post, PostResult } from './post.ts'
export { holds, tracePost } from './trace.ts'
