// The upstream: one small nginx that stands for iSales. It answers 401 to a business call without the header that
// each proxy has to add, so that a proxy that forgets it shows as an error and not as a fast proxy.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NGINX_USER, firstAnswer, freePort, start } from './process.mjs'

export const TOKEN = 'bench-token-0123456789abcdef0123456789abcdef'
export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }
const API = '/rest/isales/v1/openapi/obs'
export const MEBIBYTE = 1024 * 1024
export const BIG = 50 * MEBIBYTE

/** The paths that the upstream serves, and the length of each answer. */
export const PATHS = {
  login: `${API}/auth/login`,
  small: `${API}/business/tasks`,
  medium: `${API}/business/medium`,
  download: `${API}/business/download`,
  upload: `${API}/business/upload`,
}
const answerOf = (length) => {
  const head = '{"result":0,"resultData":{"taskData":[{"serviceId":"'
  const tail = '"}]}}'
  return head + 'x'.repeat(length - head.length - tail.length) + tail
}
export const SMALL_ANSWER = answerOf(1024)
const MEDIUM_ANSWER = answerOf(50 * 1024)

/** The first right answer of a process to a small request. */
export const firstSmallAnswer = (asked) =>
  firstAnswer({ path: PATHS.small, isRight: (body) => body === SMALL_ANSWER, ...asked })

const grant = JSON.stringify({
  result: 0,
  resultData: {
    token: TOKEN,
    tokenExpirationTime: 3600,
    refreshToken: 'r'.repeat(40),
    refreshExpirationTime: 7200,
  },
})

// `return` answers before the request's body is read, which no application does and which makes clients drop the
// connection. `mirror` is the one directive of a plain nginx that reads the body first; the content handler then
// finds no file, and error_page answers.
const afterTheBody = (answer) => `
      if ($http_authorization != "Bearer ${TOKEN}") { return 401; }
      mirror /-/read;
      error_page 404 405 =200 ${answer};`

const locations = (dir) => `
    root ${dir}/none;
    location = ${PATHS.login} { return 200 '${grant}'; }
    location = ${PATHS.small} {${afterTheBody('/-/small')}
    }
    location = ${PATHS.medium} {${afterTheBody('/-/medium')}
    }
    location = ${PATHS.upload} {
      client_body_buffer_size 64m;${afterTheBody('/-/small')}
    }
    location = ${PATHS.download} {
      if ($http_authorization != "Bearer ${TOKEN}") { return 401; }
      alias ${dir}/download;
    }
    location = /-/read { internal; return 204; }
    location = /-/small { internal; return 200 '${SMALL_ANSWER}'; }
    location = /-/medium { internal; alias ${dir}/medium; }`

const config = ({ dir, plain, tls }) => `
${NGINX_USER}
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
  client_body_temp_path ${dir}/upstream-body;
  proxy_temp_path ${dir}/upstream-proxy;
  fastcgi_temp_path ${dir}/upstream-fastcgi;
  uwsgi_temp_path ${dir}/upstream-uwsgi;
  scgi_temp_path ${dir}/upstream-scgi;
  server {
    listen 127.0.0.1:${plain} backlog=4096;${locations(dir)}
  }
  server {
    listen 127.0.0.1:${tls} ssl backlog=4096;
    ssl_certificate ${dir}/upstream.crt;
    ssl_certificate_key ${dir}/upstream.key;
    ssl_protocols TLSv1.3;${locations(dir)}
  }
}
`

const certify = (dir) =>
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost
     -addext subjectAltName=DNS:localhost,IP:127.0.0.1
     -keyout ${dir}/upstream.key -out ${dir}/upstream.crt`.split(/\s+/),
    { stdio: 'pipe' },
  )

/** Starts the upstream on a core; `url` and `tlsUrl` are its origins, `caFile` the certificate to trust. */
export const startUpstream = async ({ dir, core }) => {
  mkdirSync(join(dir, 'none'))
  certify(dir)
  writeFileSync(join(dir, 'medium'), MEDIUM_ANSWER)
  writeFileSync(join(dir, 'download'), Buffer.alloc(BIG, 'isales'))
  const [plain, tls] = [await freePort(), await freePort()]
  writeFileSync(join(dir, 'upstream.conf'), config({ dir, plain, tls }))
  const running = start({
    name: 'upstream',
    command: ['nginx', '-e', 'stderr', '-c', join(dir, 'upstream.conf')],
    dir,
    core,
  })
  await firstSmallAnswer({ running, port: plain, headers: AUTHORIZED })
  return {
    ...running,
    plainPort: plain,
    tlsPort: tls,
    url: `http://127.0.0.1:${plain}`,
    tlsUrl: `https://localhost:${tls}`,
    caFile: join(dir, 'upstream.crt'),
  }
}
