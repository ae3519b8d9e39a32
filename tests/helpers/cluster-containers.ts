import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { startEngine, type Engine } from './containers.ts'
import { temporaryFolder } from './folder.ts'
import { projectFolder } from './process.ts'
import { s3Place } from './s3.ts'
import type { Json } from './stack.ts'

/** `deploy/cluster/compose.yml` as it stands, in containers, with an object store of this machine. */
export interface ClusterContainers {
  /** A command of the engine, which must succeed. @returns what it printed on standard output */
  engine(...args: string[]): Promise<string>
  /** A container's name, by its service. */
  container(service: string): string
  /** A call by way of the proxy, as an admin. */
  call(path: string, body?: Json): Promise<Json>
  /** Starts a site's agent, in a container, which shares a folder. */
  agent(id: string, files: string, ...settings: string[]): Promise<void>
  /** What the proxy hands out at a path. @returns its SHA-256 */
  sha256(path: string): Promise<string>
  stop(): Promise<void>
}

const PORT = '18443'
const STORE_PORT = '7480'
const sources = ['package.json', 'package-lock.json', 'Dockerfile', '.dockerignore', 'agent', 'cli', 'deploy', 'server']

/** No image can be taken from a registry here: these do what the manuals of the real ones say, with Debian's packages. */
const standIns = {
  'docker.io/library/postgres:17-bookworm': `FROM docker.io/library/node:24-bookworm-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN printf '%s\\n' '#!/bin/sh -e' '[ -s "$PGDATA/PG_VERSION" ] || {' \
  '  echo "$POSTGRES_PASSWORD" > /tmp/password' \
  '  initdb -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 $POSTGRES_INITDB_ARGS' \
  '  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"' \
  '  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single postgres' \
  '}' 'exec "$@" -c "listen_addresses=*"' > /entrypoint && chmod 755 /entrypoint && install -d -o postgres /var/lib/postgresql/data
USER postgres
ENTRYPOINT ["/entrypoint"]
`,
  'docker.io/library/haproxy:3.0': `FROM docker.io/library/node:24-bookworm-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends haproxy
RUN mkdir -p /usr/local/etc/haproxy
USER 99
ENTRYPOINT []
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
`,
}

export async function startClusterContainers(admin: string, enrolment: string): Promise<ClusterContainers> {
  const engine = await startEngine()
  const { folder, remove } = await temporaryFolder()
  const cluster = join(folder, 'deploy/cluster')
  const project = basename(folder).toLowerCase()
  const network = `${project}_default`
  const place = s3Place()
  const relay = await relayTo(place.endpoint, join(folder, 'store.sock'), engine)
  const ca = join(cluster, 'certificate.pem')

  const run = async (command: string[], input = ''): Promise<string> => {
    const { code, stdout, output } = await engine.run(command, { cwd: cluster, input })
    if (code === 0) return stdout.trim()
    throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`)
  }
  const compose = (...args: string[]): Promise<string> =>
    run([...engine.compose.split(' '), '-p', project, '-f', 'compose.yml', ...args])
  const curl = (path: string, ...args: string[]): string[] => [
    'curl',
    '-sS',
    '-K',
    '-',
    '--cacert',
    ca,
    ...args,
    `https://localhost:${PORT}${path}`,
  ]
  const asAdmin = `header = "Authorization: Bearer ${admin}"`

  const prepare = async (): Promise<void> => {
    for (const name of [...sources, 'shared'])
      await cp(join(projectFolder, name), join(folder, name), { recursive: true })
    await mkdir(join(folder, 'dist'))
    await makeCertificate(cluster)
    await run([engine.command, 'network', 'create', network])
    const [made] = JSON.parse(await run([engine.command, 'network', 'inspect', network])) as Json[]
    const settings: Record<string, string> = {
      POSTGRES_PASSWORD: 'secret-of-the-database',
      DATABASE_URL: 'postgres://backhaul:secret-of-the-database@database/backhaul',
      STORAGE_URL: place.url,
      AWS_REGION: process.env['AWS_REGION'] ?? 'us-east-1',
      AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? '',
      AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
      S3_ENDPOINT: `http://${made?.['subnets'][0].gateway}:${STORE_PORT}`,
      ADMIN_TOKEN: admin,
      ENROL_TOKEN: enrolment,
      ORIGINS: 'https://proxy:8443',
      HTTPS_PORT: PORT,
    }
    const example = await readFile(join(cluster, '.env.example'), 'utf8')
    const filled = example.replace(/^([A-Z0-9_]+)=.*$/gm, (line, name: string) =>
      settings[name] === undefined ? line : `${name}=${settings[name]}`,
    )
    await writeFile(join(cluster, '.env'), filled)
  }

  const stop = async (): Promise<void> => {
    await run([engine.command, 'rm', '-fv', ...(await agents())]).catch(() => '')
    await compose('down', '-v').catch(() => '')
    await run([engine.command, 'network', 'rm', network]).catch(() => '')
    await relay.close()
    await engine.stop()
    await place.remove()
    await remove()
  }
  const agents = async (): Promise<string[]> =>
    (await run([engine.command, 'ps', '-aq', '--filter', `name=${project}-agent`]))
      .split('\n')
      .filter((id) => id !== '')

  try {
    await prepare()
    await buildAll(engine, folder)
    await compose('up', '-d')
  } catch (error) {
    await stop()
    throw error
  }
  return {
    engine: (...args) => run([engine.command, ...args]),
    container: (service) => `${project}_${service}_1`,
    async call(path, body) {
      const posted = body === undefined ? [] : ['-H', 'content-type: application/json', '-d', JSON.stringify(body)]
      const { stdout } = await engine.run(curl(path, ...posted), { cwd: cluster, input: asAdmin })
      return (stdout.startsWith('{') ? JSON.parse(stdout) : {}) as Json
    },
    async agent(id, files, ...settings) {
      const variables = [`CLIENT_ID=${id}`, 'SERVER_URL=https://proxy:8443', 'CA_FILE=/ca.pem', ...settings]
      const enrolled = [...variables, `ENROL_TOKEN=${enrolment}`].flatMap((one) => ['-e', one])
      const mounts = ['-v', `${files}:/files:ro`, '-v', `${ca}:/ca.pem:ro`]
      const options = ['-d', '--name', `${project}-agent-${id}`, '--network', network, '--read-only', '--tmpfs', '/tmp']
      await run([engine.command, 'run', ...options, ...enrolled, ...mounts, 'backhaul-agent'])
    },
    async sha256(path) {
      const command = curl(path, '--fail').map((word) => `'${word}'`)
      return (await run(['sh', '-c', `${command.join(' ')} | sha256sum`], asAdmin)).split(' ')[0] ?? ''
    },
    stop,
  }
}

async function buildAll(engine: Engine, folder: string): Promise<void> {
  await engine.build(folder, '-t', 'backhaul-server')
  await engine.build(folder, '-t', 'backhaul-agent', '--target', 'agent')
  for (const [image, text] of Object.entries(standIns)) {
    const place = join(folder, 'stand-in')
    await mkdir(place, { recursive: true })
    await writeFile(join(place, 'Dockerfile'), text)
    await engine.build(place, '-t', image)
  }
}

/** For the name that agents call the proxy by, and this machine's. */
async function makeCertificate(folder: string): Promise<void> {
  const names = 'subjectAltName=DNS:proxy,DNS:localhost'
  const command = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -addext ${names}`
  const made = spawnSync('openssl', [...command.split(' '), '-keyout', 'key.pem', '-out', 'certificate.pem'], {
    cwd: folder,
  })
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr.toString()}`)
  const [certificate, key] = await Promise.all(
    ['certificate.pem', 'key.pem'].map((name) => readFile(join(folder, name), 'utf8')),
  )
  await writeFile(join(folder, 'backhaul.pem'), `${certificate}${key}`, { mode: 0o644 })
}

/** Takes connections where the containers are, and hands each to a socket of this machine; ends with its first connection. */
const RELAY = `
const { connect, createServer } = require('node:net')
const [, path] = process.argv
connect(path).on('close', () => process.exit(0)).write('-')
createServer((socket) => {
  const other = connect(path)
  other.write('+')
  socket.pipe(other).pipe(socket)
  for (const one of [socket, other]) one.on('error', () => { socket.destroy(); other.destroy() })
}).listen(${STORE_PORT}, '0.0.0.0')
`

/** The containers have a network of their own, from which nothing of this machine is reached. */
async function relayTo(endpoint: string, path: string, engine: Engine): Promise<{ close(): Promise<void> }> {
  const { hostname, port } = new URL(endpoint)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    socket.once('data', (first: Buffer) => {
      // The first connection only says, by its end, that it is over.
      if (first[0] === '-'.charCodeAt(0)) return
      const store = connect(Number(port), hostname).on('error', () => socket.destroy())
      sockets.add(store)
      store.write(first.subarray(1))
      socket.pipe(store).pipe(socket)
    })
  }).listen(path)
  await once(server, 'listening')
  const ended = engine.run([process.execPath, '-e', RELAY, path])
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await ended
    },
  }
}
