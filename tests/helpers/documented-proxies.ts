import { join } from 'node:path'
import { blocksOf, fitted } from './page.ts'
import { startOnFreePort, type Program, type ProgramOptions } from './programs.ts'
import { makeCertificate } from './reverse-proxies.ts'

/** A proxy as its page tells to set it up, TLS and all, on this machine. */
export interface DocumentedProxy extends Program {
  url: string
}

/** What a page is called, and the program that runs what it says. */
export interface ProxyPage {
  page: string
  program: string
  /** Whether it ends a poll at the server when the caller has gone. */
  notices: boolean
  /** @param upstream the server's URL */
  start(upstream: string): Promise<DocumentedProxy>
}

const DOMAIN = 'backhaul.example.com'
const SERVER = '127.0.0.1:3000'

const withTls = (page: string, options: (upstream: string) => ProgramOptions): Pick<ProxyPage, 'page' | 'start'> => ({
  page,
  async start(upstream) {
    const program = await startOnFreePort(options(new URL(upstream).host))
    return { ...program, url: `https://${program.address}` }
  },
})

const nginx = withTls('nginx.md', (upstream) => ({
  command: 'nginx',
  folders: ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'],
  args: (folder) => ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'],
  files: ({ host, port, folder }) => {
    const [site = '', main = ''] = blocksOf('docs/proxies/nginx.md', 'nginx')
    const here = fitted(site, {
      [SERVER]: upstream,
      'listen 443': `listen ${host}:${port}`,
      '/etc/ssl/backhaul/fullchain.pem': `${folder}/certificate`,
      '/etc/ssl/backhaul/privkey.pem': `${folder}/key`,
    })
    return {
      ...makeCertificate(host),
      'nginx.conf': `daemon off; master_process off; pid nginx.pid; ${main} http {
        access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        ${here}
      }`,
    }
  },
}))

const haproxy = withTls('haproxy.md', (upstream) => ({
  command: 'haproxy',
  args: (folder) => ['-db', '-f', join(folder, 'haproxy.cfg')],
  files: ({ host, port, folder }) => {
    const [block = ''] = blocksOf('docs/proxies/haproxy.md', 'haproxy')
    const { certificate, key } = makeCertificate(host)
    return {
      certificate,
      'both.pem': certificate + key,
      'haproxy.cfg': fitted(block, {
        [SERVER]: upstream,
        'bind :443': `bind ${host}:${port}`,
        '/etc/haproxy/backhaul.pem': join(folder, 'both.pem'),
        // There is no such user or log here, and nobody's rights to drop.
        'log /dev/log local0': 'log stderr format raw local0',
        'user haproxy': '',
        'group haproxy': '',
      }),
    }
  },
}))

const caddy = withTls('caddy.md', (upstream) => ({
  // It keeps what it makes in folders of its user.
  command: 'env',
  args: (folder) =>
    `XDG_CONFIG_HOME=${folder} XDG_DATA_HOME=${folder} caddy run --adapter caddyfile --config ${folder}/Caddyfile`.split(
      ' ',
    ),
  files: ({ host, port, folder }) => {
    const [block = ''] = blocksOf('docs/proxies/caddy.md', 'caddy')
    const here = fitted(block, {
      [SERVER]: upstream,
      // It fetches certificates by itself, but not here.
      [`${DOMAIN} {`]: `https://${host}:${port} {\n\ttls ${folder}/certificate ${folder}/key`,
    })
    return { ...makeCertificate(host), Caddyfile: `{\n\tadmin off\n\tauto_https off\n}\n${here}` }
  },
}))

const modules = ['mpm_event', 'authz_core', 'reqtimeout', 'headers', 'proxy', 'proxy_http', 'socache_shmcb', 'ssl']

const apache = withTls('apache.md', (upstream) => ({
  command: 'apache2',
  args: (folder) => ['-X', '-d', folder, '-f', join(folder, 'apache.conf'), '-E', join(folder, 'log')],
  files: ({ host, port, folder }) => {
    const [site = '', threads = ''] = blocksOf('docs/proxies/apache.md', 'apache')
    const here = fitted(site, {
      [SERVER]: upstream,
      '*:443': `${host}:${port}`,
      '/etc/ssl/backhaul/fullchain.pem': `${folder}/certificate`,
      '/etc/ssl/backhaul/privkey.pem': `${folder}/key`,
    })
    const loaded = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`)
    const place = `PidFile ${folder}/pid\nErrorLog ${folder}/log\nServerName ${host}\nListen ${host}:${port}\n`
    return {
      ...makeCertificate(host),
      'apache.conf': `${loaded.join('')}DefaultRuntimeDir ${folder}\nMutex file:${folder}\n${place}${threads}${here}`,
    }
  },
}))

/** Every page of docs/proxies. */
export const proxyPages: readonly ProxyPage[] = [
  { program: 'nginx', notices: true, ...nginx },
  { program: 'haproxy', notices: false, ...haproxy },
  { program: 'caddy', notices: true, ...caddy },
  { program: 'apache2', notices: false, ...apache },
]
