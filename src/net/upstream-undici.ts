// undici's index takes in fetch, WebSocket, caches and mocks, a megabyte that costs 15 ms of every start.
export { default as Client } from 'undici/lib/dispatcher/client.js'
export { default as Pool } from 'undici/lib/dispatcher/pool.js'
