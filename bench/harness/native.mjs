// The configuration files of the three proxies that apt has. Each: one worker, upstream keep-alive, streaming both
// ways, no access log, one header added, the upstream's certificate checked.
import { NGINX_USER } from './process.mjs'

const IDLE_SECONDS = 3600

export const nginxConfig = ({ dir, port, upstream, header, caFile }) => {
  const { protocol, host } = new URL(upstream)
  return `
${NGINX_USER}
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_temp_path ${dir}/nginx-body;
  proxy_temp_path ${dir}/nginx-proxy;
  fastcgi_temp_path ${dir}/nginx-fastcgi;
  uwsgi_temp_path ${dir}/nginx-uwsgi;
  scgi_temp_path ${dir}/nginx-scgi;
  upstream isales {
    server ${host};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass ${protocol}//isales;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header ${header.name} "${header.value}";
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_trusted_certificate ${caFile};
    }
  }
}
`
}

export const haproxyConfig = ({ port, upstream, header, caFile }) => {
  const { protocol, port: upstreamPort } = new URL(upstream)
  const tls =
    protocol === 'https:' ? ` ssl verify required ca-file ${caFile} verifyhost localhost` : ''
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client ${IDLE_SECONDS}s
  timeout server ${IDLE_SECONDS}s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  http-request set-header ${header.name} "${header.value}"
  default_backend isales
backend isales
  server isales 127.0.0.1:${upstreamPort}${tls}
`
}

export const caddyConfig = ({ port, upstream, header, caFile }) => {
  const tls = upstream.startsWith('https:') ? `tls_trusted_ca_certs ${caFile}` : ''
  return `
{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  reverse_proxy ${upstream} {
    header_up ${header.name} "${header.value}"
    transport http {
      versions 1.1
      keepalive_idle_conns_per_host 256
      ${tls}
    }
  }
}
`
}
