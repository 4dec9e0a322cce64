// Peers other than Node, each measured if it is installed: a proxy in front of the plain upstream that adds the same
// header, with one thread, as in its own documentation.
import { AUTHORIZATION } from './upstream.mjs'

const hostOf = (upstream) => new URL(upstream).host

export const NATIVE_PEERS = {
  nginx: {
    command: ({ file }) => ['nginx', '-e', 'stderr', '-c', file],
    config: ({ port, upstream, dir }) => `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
master_process off;
pid ${dir}/nginx-${port}.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  client_body_temp_path ${dir}/nginx-body;
  proxy_temp_path ${dir}/nginx-proxy;
  fastcgi_temp_path ${dir}/nginx-fastcgi;
  uwsgi_temp_path ${dir}/nginx-uwsgi;
  scgi_temp_path ${dir}/nginx-scgi;
  upstream isales { server ${hostOf(upstream)}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://isales;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "${AUTHORIZATION}";
    }
  }
}
`,
  },
  haproxy: {
    command: ({ file }) => ['haproxy', '-db', '-f', file],
    config: ({ port, upstream }) => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  http-reuse always
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend isales
backend isales
  http-request set-header Authorization "${AUTHORIZATION}"
  server isales ${hostOf(upstream)}
`,
  },
  caddy: {
    command: ({ file }) => ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
    env: () => ({ GOMAXPROCS: '1' }),
    config: ({ port, upstream }) => `
{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy ${hostOf(upstream)} {
    header_up Authorization "${AUTHORIZATION}"
  }
}
`,
  },
}
