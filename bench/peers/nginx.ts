import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { administratorsPath, lacking } from '../../tests/helpers/lacking.ts'
import { until } from '../../tests/helpers/until.ts'
import { startProcess } from '../processes.ts'
import { freePort } from './free-port.ts'
import { orStop, type Peer } from './peer.ts'
import { pairOf } from './programs.ts'

/** `curl -T` into nginx's DAV module, with nginx's defaults. */
export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx DAV PUT, `curl -T`',
  lacks() {
    const [missing] = lacking({ programs: ['nginx', 'curl'] })
    if (missing) return missing
    const { stderr } = spawnSync('nginx', ['-V'], { env: { PATH: administratorsPath }, encoding: 'utf8' })
    return stderr.includes('http_dav_module') ? undefined : 'this nginx has no DAV module'
  },
  async start({ place, source, folder }) {
    const port = await freePort()
    const conf = join(folder, 'nginx.conf')
    await Promise.all(['www', 'tmp'].map((name) => mkdir(join(folder, name))))
    await writeFile(conf, configuration(folder, port))
    const env = { PATH: administratorsPath }
    const server = startProcess(['nginx', '-e', 'stderr', '-c', conf], { env, within: place.server })
    await orStop(server, () => until('nginx to listen', () => answers(place.host.here, port)))
    // curl is a child of the shell, whose counters outlive it. It is there for no other reason.
    const url = `http://${place.host.client}:${port}/received`
    const shell = `read go; curl -sS -f -o /dev/null -w '{"seconds":%{time_total}}\\n' -T "$1" "$2"; read end`
    const client = startProcess(['sh', '-c', shell, 'sh', source, url], { env, within: place.client })
    return pairOf(server, client)
  },
}

/** `user root` means nothing where root did not start it. */
const configuration = (folder: string, port: number): string => `
daemon off;
user root;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path ${folder}/tmp;
  server {
    listen ${port};
    location / {
      root ${folder}/www;
      dav_methods PUT;
    }
  }
}
`

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
