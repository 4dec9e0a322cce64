// The upstream: an nginx instead of iSales. It responds 401 to a business call without the header that every proxy must
// add, so that a proxy that omits it causes an error.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstResponse, freePort, start } from './process.mjs'

const TOKEN = 'bench-token-0123456789abcdef0123456789abcdef'
export const AUTHORIZATION = `Bearer ${TOKEN}`
const API = '/rest/isales/v1/openapi/obs'
export const BIG_MIB = 50
export const BIG = BIG_MIB * 1024 * 1024

export const PATHS = {
  login: `${API}/auth/login`,
  small: `${API}/business/tasks`,
  down: `${API}/business/download`,
}
const head = '{"result":0,"resultData":{"taskData":[{"serviceId":"'
const tail = '"}]}}'
/** The body of a small response: 1,024 bytes. */
export const SMALL_BODY = head + 'x'.repeat(1024 - head.length - tail.length) + tail

/** The response to a login. */
export const GRANT = JSON.stringify({
  result: 0,
  resultData: {
    token: TOKEN,
    tokenExpirationTime: 3600,
    refreshToken: 'r'.repeat(40),
    refreshExpirationTime: 7200,
  },
})

// `return` responds before the request's body is read, which no application does and which makes
// clients drop the connection. `mirror` is the one directive of a plain nginx that reads the body
// first; the content handler then finds no file, and error_page responds.
const locations = (dir) => `
    root ${dir}/none;
    location = ${PATHS.login} { return 200 '${GRANT}'; }
    location = ${PATHS.small} {
      if ($http_authorization != "${AUTHORIZATION}") { return 401; }
      mirror /-/read;
      error_page 404 405 =200 /-/small;
    }
    location = ${PATHS.down} {
      if ($http_authorization != "${AUTHORIZATION}") { return 401; }
      alias ${dir}/download;
    }
    location = /-/read { internal; return 204; }
    location = /-/small { internal; return 200 '${SMALL_BODY}'; }`

// An nginx that is run by root would otherwise have a worker that cannot read the directory.
const config = ({ dir, plain, tls, keyFile, certFile }) => `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${dir}/upstream.pid;
error_log ${dir}/upstream.err crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  log_not_found off;
  default_type application/json;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  open_file_cache max=16;
  sendfile on;
  tcp_nodelay on;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server {
    listen 127.0.0.1:${plain} backlog=4096;${locations(dir)}
  }
  server {
    listen 127.0.0.1:${tls} ssl backlog=4096;
    ssl_certificate ${certFile};
    ssl_certificate_key ${keyFile};
    ssl_protocols TLSv1.3;${locations(dir)}
  }
}
`

/** Makes a certificate for localhost in a directory. */
export const certificate = (dir) => {
  const [keyFile, certFile] = [join(dir, 'upstream.key'), join(dir, 'upstream.crt')]
  const flags = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const command = [...flags.split(' '), ...names, '-keyout', keyFile, '-out', certFile]
  execFileSync('openssl', command, { stdio: 'pipe' })
  return { keyFile, certFile }
}

/** Starts the upstream on a core; `url` and `tlsUrl` are its origins, `caFile` its certificate. */
export const startUpstream = async ({ dir, core }) => {
  mkdirSync(join(dir, 'none'))
  const { keyFile, certFile } = certificate(dir)
  writeFileSync(join(dir, 'download'), Buffer.alloc(BIG, 'isales'))
  const [plain, tls] = [await freePort(), await freePort()]
  writeFileSync(join(dir, 'upstream.conf'), config({ dir, plain, tls, keyFile, certFile }))
  const command = ['nginx', '-e', 'stderr', '-c', join(dir, 'upstream.conf')]
  const running = start({ name: 'upstream', command, dir, core })
  await firstResponse({
    running,
    port: plain,
    path: PATHS.small,
    body: SMALL_BODY,
    headers: { authorization: AUTHORIZATION },
  })
  return {
    stop: () => running.stop(),
    url: `http://127.0.0.1:${plain}`,
    tlsUrl: `https://localhost:${tls}`,
    caFile: certFile,
  }
}
