import connect from 'undici/lib/api/api-connect.js'
import request from 'undici/lib/api/api-request.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import EnvHttpProxyAgent from 'undici/lib/dispatcher/env-http-proxy-agent.js'
import Pool from 'undici/lib/dispatcher/pool.js'

// undici's index takes in fetch, WebSocket, caches and mocks, a megabyte that costs 15 ms of every start. Like
// the index, this gives dispatchers their methods: `request` for us, `connect` for the agent's tunnels.
Object.assign(Dispatcher.prototype, { connect, request })

export { EnvHttpProxyAgent, Pool }
