import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { startOnFreePort, type Program } from './programs.ts'

/** A request as the proxy logged it at its end. */
export interface Passed {
  method: string
  path: string
  status: number
  /** What `Prefer` asked for, in seconds; NaN without. */
  wait: number
  /** Bytes announced for the body; NaN without. */
  length: number
  /** Seconds from its first byte to its end, as nginx tells them. */
  seconds: number
}

/** A reverse proxy in front of a server. */
export interface ReverseProxy extends Program {
  url: string
  passed(): Promise<Passed[]>
}

/** @param file the proxy's log, whose lines of requests begin with `>` */
function readPassed(log: string): Passed[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('> '))
    .map((line) => {
      const [, method = '', path = '', status, prefer = '', length, seconds] = line.split(' ')
      return {
        method,
        path,
        status: Number(status),
        wait: Number(/^wait=(\d+)$/.exec(prefer)?.[1]),
        length: Number.parseInt(length ?? '', 10),
        seconds: Number(seconds),
      }
    })
}

const asReverseProxy = (program: Program, scheme: string): ReverseProxy => ({
  ...program,
  url: `${scheme}://${program.address}`,
  passed: async () => readPassed(await program.log()),
})

export interface NginxOptions {
  /** The server's URL. */
  upstream: string
  /** More directives for the server; by default nginx has its own defaults. */
  settings?: string
  /** Whether it speaks TLS, with a certificate that is `certificate` in its folder. */
  tls?: boolean
  host?: string
}

/** nginx, with nothing set but where its files and the server are, unless `settings` says more. */
export async function startNginx(options: NginxOptions): Promise<ReverseProxy> {
  const { upstream, settings = '', tls = false, host = '127.0.0.1' } = options
  const program = await startOnFreePort({
    command: 'nginx',
    host,
    folders: ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'],
    args: (folder) => ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'],
    files: ({ port, folder }) => ({
      ...(tls ? makeCertificate(host) : {}),
      'nginx.conf': `
        daemon off; master_process off; pid nginx.pid;
        events {}
        http {
          log_format line '> $request_method $uri $status $http_prefer $content_length $request_time';
          access_log ${folder}/log line;
          client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
          server {
            listen ${host}:${port}${tls ? ' ssl' : ''};
            ${tls ? 'ssl_certificate certificate; ssl_certificate_key key;' : ''}
            ${settings}
            location / { proxy_pass ${upstream}; }
          }
        }`,
    }),
  })
  return asReverseProxy(program, tls ? 'https' : 'http')
}

/** A certificate for an address, signed by itself. */
export function makeCertificate(host: string): { certificate: string; key: string } {
  const made = spawnSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=test',
    ].concat(['-addext', `subjectAltName=IP:${host}`, '-keyout', '-', '-out', '-']),
    { encoding: 'utf8' },
  )
  const [key, certificate] = ['PRIVATE KEY', 'CERTIFICATE'].map(
    (what) => new RegExp(`-----BEGIN ${what}-----[^-]*-----END ${what}-----\n`).exec(made.stdout)?.[0],
  )
  if (key === undefined || certificate === undefined) throw new Error(`openssl made no certificate: ${made.stderr}`)
  return { certificate, key }
}

export const certificateOf = ({ folder }: Program): string => join(folder, 'certificate')

export interface HaproxyOptions {
  upstream: string
  /** More directives for what is in front. */
  settings?: string
  /** Seconds. */
  clientTimeout?: number
  serverTimeout?: number
}

/** haproxy as its manual begins, with the limits in time that are asked for. */
export async function startHaproxy(options: HaproxyOptions): Promise<ReverseProxy> {
  const { upstream, settings = '', clientTimeout = 30, serverTimeout = 30 } = options
  const program = await startOnFreePort({
    command: 'haproxy',
    args: (folder) => ['-db', '-f', join(folder, 'haproxy.cfg')],
    files: ({ host, port }) => ({
      'haproxy.cfg': `
global
  log stdout format raw local0
defaults
  mode http
  log global
  option dontlognull
  timeout connect 5s
  timeout client ${clientTimeout}s
  timeout server ${serverTimeout}s
frontend front
  bind ${host}:${port}
  http-request capture req.hdr(Prefer) len 20
  http-request capture req.hdr(Content-Length) len 20
  log-format "> %HM %HP %ST %[capture.req.hdr(0)] %[capture.req.hdr(1)] -"
  ${settings}
  default_backend back
backend back
  server backhaul ${new URL(upstream).host}
`,
    }),
  })
  return asReverseProxy(program, 'http')
}
