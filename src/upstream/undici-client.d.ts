/**
 * The file of undici's `Client`, which undici does not document. Its documented entry loads fetch, WebSocket and caches as
 * well: 400 KB that nothing here uses, a quarter of the time that the program takes to start.
 */
declare module 'undici/lib/dispatcher/client.js' {
  export { Client as default } from 'undici'
}
