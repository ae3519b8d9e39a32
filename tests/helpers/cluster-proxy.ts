import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fitted } from './page.ts'
import { projectFolder } from './process.ts'
import { startOnFreePort, type Program } from './programs.ts'
import { makeCertificate } from './reverse-proxies.ts'

/** What `deploy/cluster/haproxy.cfg` says of other machines, as its text stands. */
export const clusterProxy = {
  file: 'deploy/cluster/haproxy.cfg',
  certificate: '/usr/local/etc/haproxy/backhaul.pem',
  bind: 'bind :8443',
  servers: ['server-1:8080', 'server-2:8080', 'server-3:8080'],
}

/** The configuration for three servers that are here. @param upstreams `HOST:PORT` of each */
export function clusterProxyConfig(place: { bind: string; certificate: string; upstreams: readonly string[] }): string {
  const { file, bind, certificate, servers } = clusterProxy
  return fitted(readFileSync(join(projectFolder, file), 'utf8'), {
    [bind]: `bind ${place.bind}`,
    [certificate]: place.certificate,
    ...Object.fromEntries(servers.map((name, index) => [name, place.upstreams[index] ?? ''])),
  })
}

/**
 * haproxy as `deploy/cluster` sets it up, in front of three servers; its certificate is `certificate` in its folder.
 * @param urls of the servers
 */
export async function startClusterProxy(urls: readonly string[]): Promise<Program & { url: string }> {
  const program = await startOnFreePort({
    command: 'haproxy',
    args: (folder) => ['-db', '-f', join(folder, 'haproxy.cfg')],
    files: ({ host, port, folder }) => {
      const { certificate, key } = makeCertificate(host)
      const config = clusterProxyConfig({
        bind: `${host}:${port}`,
        certificate: join(folder, 'both.pem'),
        upstreams: urls.map((url) => new URL(url).host),
      })
      return { certificate, 'both.pem': certificate + key, 'haproxy.cfg': config }
    },
  })
  return { ...program, url: `https://${program.address}` }
}
