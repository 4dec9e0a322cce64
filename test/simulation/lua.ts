// Scripts of the store, run by a Lua interpreter.
import { lauxlib, lua, lualib, to_luastring } from 'fengari'
import { SCRIPTS, type Claim, type Put, type Reply as CellReply } from '../../src/sharing/cell.ts'

export type Reply = null | number | Buffer | string | Failure | readonly Reply[]
/** An error reply, such as `LOADING`. */
export class Failure extends Error {}

/** The keys of one account, and what the scripts of the program make of them. `test/store/` holds real servers to it. */
export class LuaCell {
  /** Without their prefix: `token`, `lease`, `book:<fingerprint>`. Keys end by themselves. */
  keys = new Map<string, { readonly value: string; readonly endsAt: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  claim({ seen, lease, book }: Claim): CellReply {
    return this.#run('claim', book, [seen, lease])
  }

  put({ lease, key, value, ms, release }: Put): CellReply {
    return this.#run('put', key, [lease, value, String(ms), String(release)])
  }

  read(): CellReply {
    return this.put({ lease: '', key: 'token', value: '', ms: 0, release: false })
  }

  #run(script: keyof typeof SCRIPTS, key: string, args: readonly string[]): CellReply {
    const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'latin1'))
    const reply = runScript(SCRIPTS[script], bytes(['token', 'lease', key]), bytes(args), (words) =>
      this.#execute(words.map((word) => word.toString('latin1'))),
    )
    if (!Array.isArray(reply)) throw new Error(String(reply))
    const [type, value, ms] = reply
    return { type: String(type) as CellReply['type'], value: String(value), ms: Number(ms) }
  }

  /** A PTTL of -2 is a key that is not there, as the servers say. */
  #execute([command, key = '', value = '', , ms]: readonly string[]): Reply {
    const entry = this.keys.get(key)
    const left = (entry?.endsAt ?? -Infinity) - this.#now()
    if (command === 'GET')
      return entry !== undefined && left > 0 ? Buffer.from(entry.value, 'latin1') : null
    if (command === 'PTTL') return left > 0 ? left : -2
    if (command === 'DEL') this.keys.delete(key)
    else this.keys.set(key, { value, endsAt: this.#now() + Number(ms) })
    return 1
  }
}

/** As Valkey converts between Lua and its protocol. */
export function runScript(
  source: string,
  keys: readonly Buffer[],
  args: readonly Buffer[],
  call: (words: readonly Buffer[]) => Reply,
): Reply {
  const L = stateOf(source)
  const push = (value: Reply): void => {
    if (value === null) lua.lua_pushboolean(L, false)
    else if (typeof value === 'number')
      lua[(value | 0) === value ? 'lua_pushinteger' : 'lua_pushnumber'](L, value)
    else if (typeof value === 'string' || Buffer.isBuffer(value))
      lua.lua_pushstring(L, new Uint8Array(Buffer.from(value as string)))
    else if (value instanceof Failure) lua.lua_pushnil(L)
    else {
      lua.lua_createtable(L, value.length, 0)
      value.forEach((each, index) => {
        push(each)
        lua.lua_rawseti(L, -2, index + 1)
      })
    }
  }
  const pop = (index: number): Reply => {
    switch (lua.lua_type(L, index)) {
      case lua.LUA_TNUMBER:
        return Math.trunc(lua.lua_tonumber(L, index))
      case lua.LUA_TSTRING:
        return Buffer.from(lua.lua_tostring(L, index))
      case lua.LUA_TBOOLEAN:
        return lua.lua_toboolean(L, index) ? 1 : null
      case lua.LUA_TTABLE: {
        const members: Reply[] = []
        for (let nth = 1; ; nth += 1) {
          lua.lua_rawgeti(L, index, nth)
          const isEnd = lua.lua_isnil(L, -1)
          if (!isEnd) members.push(pop(lua.lua_gettop(L)))
          lua.lua_settop(L, -2)
          if (isEnd) return members
        }
      }
      default:
        return null
    }
  }
  const redis = (): number => {
    const words = Array.from({ length: lua.lua_gettop(L) }, (_, nth) => {
      const word = pop(nth + 1)
      return Buffer.isBuffer(word) ? word : Buffer.from(String(word))
    })
    push(call(words))
    return 1
  }
  lua.lua_createtable(L, 0, 1)
  lua.lua_pushcfunction(L, redis)
  lua.lua_setfield(L, -2, to_luastring('call'))
  lua.lua_setglobal(L, to_luastring('redis'))
  for (const [name, values] of [
    ['KEYS', keys],
    ['ARGV', args],
  ] as const) {
    push(values)
    lua.lua_setglobal(L, to_luastring(name))
  }
  lua.lua_pushvalue(L, 1)
  const failed = lua.lua_pcall(L, 0, 1, 0)
  const reply = failed ? new Failure(`ERR ${lua.lua_tojsstring(L, -1)}`) : pop(lua.lua_gettop(L))
  lua.lua_settop(L, 1)
  return reply
}

const states = new Map<string, ReturnType<typeof lauxlib.luaL_newstate>>()

/** An interpreter for each script, with the script at the bottom of its stack. */
function stateOf(source: string) {
  let state = states.get(source)
  if (state === undefined) {
    state = lauxlib.luaL_newstate()
    lualib.luaL_openlibs(state)
    if (lauxlib.luaL_loadstring(state, to_luastring(source)) !== 0) {
      throw new Error(lua.lua_tojsstring(state, -1))
    }
    states.set(source, state)
  }
  return state
}
