// Scripts of the store, run by a Lua interpreter.
import { lauxlib, lua, lualib, to_luastring } from 'fengari'
import { SWAP, type Seen } from '../../src/sharing/cell.ts'

export type Reply = null | number | Buffer | string | Failure | readonly Reply[]
/** An error reply, such as `LOADING`. */
export class Failure extends Error {}

/** The value of one account, and what the script of the program makes of it. `test/store/` holds real servers to it. */
export class LuaCell {
  value = ''
  /** What the script was last told to keep it for, milliseconds. */
  keptFor = 0
  readonly #now: () => number

  /** @param now of the store, milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now
  }

  swap(seen: string, next: string): Seen {
    const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'latin1'))
    const reply = runScript(SWAP, bytes(['account']), bytes([seen, next]), (words) =>
      this.#execute(words.map((word) => word.toString('latin1'))),
    )
    if (!Array.isArray(reply)) throw new Error(String(reply))
    const [value, seconds, micros] = reply.map((part: Reply) =>
      Buffer.isBuffer(part) ? part.toString('latin1') : '',
    )
    return { value: value ?? '', at: Number(seconds) * 1000 + Number(micros) / 1000 }
  }

  #execute([command, , value = '', , ms]: readonly string[]): Reply {
    if (command === 'TIME') return timeReply(this.#now())
    if (command === 'GET') return this.value === '' ? null : Buffer.from(this.value, 'latin1')
    this.value = value
    this.keptFor = Number(ms)
    return 'OK'
  }
}

/** Of TIME: seconds and microseconds. */
export function timeReply(now: number): Reply {
  const micros = Math.round((now % 1000) * 1000)
  return [Math.floor(now / 1000), micros].map((part) => Buffer.from(String(part)))
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
