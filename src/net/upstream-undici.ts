import request from 'undici/lib/api/api-request.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import Pool from 'undici/lib/dispatcher/pool.js'

// undici's index takes in fetch, WebSocket, caches and mocks, a megabyte that costs 15 ms of every start. Like
// the index, this gives dispatchers the method that is used here.
Object.assign(Dispatcher.prototype, { request })

export { Pool }
