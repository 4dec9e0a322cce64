/** What the simulated store uses of the interpreter; the C API of Lua, by its names. */
declare module 'fengari' {
  interface State {
    readonly fengari: unique symbol
  }
  type Text = Uint8Array
  export function to_luastring(text: string): Text
  export const lauxlib: {
    luaL_newstate(): State
    luaL_loadstring(state: State, text: Text): number
  }
  export const lualib: { luaL_openlibs(state: State): void }
  export const lua: {
    readonly LUA_TNUMBER: number
    readonly LUA_TSTRING: number
    readonly LUA_TBOOLEAN: number
    readonly LUA_TTABLE: number
    lua_createtable(state: State, list: number, fields: number): void
    lua_gettop(state: State): number
    lua_isnil(state: State, index: number): boolean
    lua_pcall(state: State, given: number, results: number, handler: number): number
    lua_pushboolean(state: State, value: boolean): void
    lua_pushcfunction(state: State, run: (state: State) => number): void
    lua_pushinteger(state: State, value: number): void
    lua_pushnil(state: State): void
    lua_pushnumber(state: State, value: number): void
    lua_pushvalue(state: State, index: number): void
    lua_pushstring(state: State, value: Text): void
    lua_rawgeti(state: State, index: number, nth: number): void
    lua_rawseti(state: State, index: number, nth: number): void
    lua_setfield(state: State, index: number, name: Text): void
    lua_setglobal(state: State, name: Text): void
    lua_settop(state: State, index: number): void
    lua_toboolean(state: State, index: number): boolean
    lua_tojsstring(state: State, index: number): string
    lua_tonumber(state: State, index: number): number
    lua_tostring(state: State, index: number): Text
    lua_type(state: State, index: number): number
  }
}
