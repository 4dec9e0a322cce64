// undici's index takes in fetch, WebSocket, caches and mocks, a megabyte that costs 15 ms of every start.
export { default as Pool } from 'undici/lib/dispatcher/pool.js'
