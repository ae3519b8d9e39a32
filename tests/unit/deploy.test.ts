import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { readConfig } from '../../server/config.ts'
import { clusterProxy, clusterProxyConfig } from '../helpers/cluster-proxy.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { administratorsPath } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { blocksOf } from '../helpers/page.ts'
import { projectFolder } from '../helpers/process.ts'
import { makeCertificate } from '../helpers/reverse-proxies.ts'
import type { Json } from '../helpers/stack.ts'
import { documentsOf, needsYaml } from '../helpers/yaml.ts'

const textOf = (path: string): Promise<string> => readFile(join(projectFolder, path), 'utf8')
/** What the SDK of the store reads by itself. */
const ofTheSdk = ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
/** What is read by PostgreSQL's image, and by the compose file. */
const ofOthers = ['POSTGRES_USER', 'POSTGRES_DB', 'POSTGRES_PASSWORD', 'HTTPS_PORT']
const probes = ['/health', '/ready']

/** The variables that the server reads. */
function known(): Set<string> {
  const names = new Set<string>()
  readConfig(new Proxy({}, { get: (_, name) => void names.add(String(name)) }))
  return names
}

/** An example with what is in capitals filled in. */
const filled = (text: string): string =>
  text
    .replaceAll('BUCKET', 'a-bucket')
    .replaceAll('REGION', 'eu-central-1')
    .replace(/^TOKEN$/, 'a-token-of-20-characters')
    .replaceAll('PASSWORD', 'secret')

const filledIn = (variables: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, filled(value)]))

/** What the image says: `PORT`, `RELEASES`. */
async function imageSays(name: string): Promise<string> {
  return new RegExp(`^ENV HOST=.*\\b${name}=(\\S+)`, 'm').exec(await textOf('Dockerfile'))?.[1] ?? ''
}

async function envExample(): Promise<Record<string, string>> {
  const lines = (await textOf('deploy/cluster/.env.example')).split('\n').filter((line) => /^[A-Z]/.test(line))
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)))
}

describe('deploy/cluster', () => {
  test('.env.example names what the server knows, and is a configuration once it is filled in', async () => {
    const example = await envExample()
    const names = Object.keys(example)
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((name) => ![...known(), ...ofTheSdk, ...ofOthers].includes(name))).toEqual([])
    const config = readConfig(filledIn(example))
    expect(config).toMatchObject({ database: { kind: 'postgres' }, storage: { kind: 's3', prefix: 'backhaul/' } })
    expect(config.adminToken).toBeDefined()
  })

  testWith({ programs: ['haproxy', 'openssl'] }, 'haproxy takes haproxy.cfg, without a warning', async () => {
    const { folder, remove } = await temporaryFolder()
    try {
      const { certificate, key } = makeCertificate('127.0.0.1')
      const file = join(folder, 'haproxy.cfg')
      const upstreams = [1, 2, 3].map((number) => `127.0.0.${number}:8080`)
      await writeFile(join(folder, 'both.pem'), certificate + key)
      const place = { bind: ':8443', certificate: join(folder, 'both.pem'), upstreams }
      await writeFile(file, clusterProxyConfig(place))
      const options = { env: { ...process.env, PATH: administratorsPath } }
      const { stdout, stderr } = await promisify(execFile)('haproxy', ['-c', '-V', '-f', file], options)
      expect(stdout + stderr).toContain('Configuration file is valid')
      expect(stdout + stderr).not.toMatch(/WARNING|ALERT/)
    } finally {
      await remove()
    }
  })

  test('haproxy.cfg waits for as long as a call is held, and asks what the server answers', async () => {
    const text = await textOf(clusterProxy.file)
    const seconds = (name: string): number => Number(new RegExp(`^ +timeout ${name} (\\d+)s$`, 'm').exec(text)?.[1])
    const held = Number(/MAX_WAIT = (\d+)/.exec(await textOf('server/http/prefer.ts'))?.[1])
    expect(seconds('server')).toBeGreaterThan(held)
    expect(seconds('client')).toBeGreaterThan(60)
    expect(seconds('http-keep-alive')).toBeLessThan(90)
    expect(text).not.toContain('http-buffer-request')
    const [, asked = ''] = /uri (\S+)/.exec(text) ?? []
    expect(probes).toContain(asked)
    expect(await textOf('server/http/health.ts')).toContain(`'${asked}'`)
  })

  testWith(needsYaml, 'compose.yml, haproxy.cfg, .env.example and the image say the same', async () => {
    const [compose] = documentsOf(await textOf('deploy/cluster/compose.yml')) as [Json]
    const { services } = compose
    const example = await envExample()
    const port = await imageSays('PORT')
    for (const server of clusterProxy.servers) {
      const [name = '', at] = server.split(':')
      expect(at).toBe(port)
      expect(services[name]).toMatchObject({ env_file: '.env', read_only: true, environment: { TRUST_PROXY: '1' } })
      expect(services[name].volumes).toContain(`../../dist:${await imageSays('RELEASES')}:ro,z`)
    }
    expect(services.proxy.depends_on).toEqual(clusterProxy.servers.map((server) => server.split(':')[0]))
    const [published = ''] = services.proxy.ports as string[]
    expect(published).toMatch(new RegExp(`${clusterProxy.bind.split(':')[1]}$`))
    expect(published).toContain('HTTPS_PORT')
    const mounted = (services.proxy.volumes as string[]).map((volume) => volume.split(':'))
    expect(mounted.map(([, there]) => there)).toContain(clusterProxy.certificate)
    for (const [here = ''] of mounted) {
      const path = join('deploy/cluster', here)
      // The certificate is yours: it must not become a part of the project.
      if (!existsSync(join(projectFolder, path))) expect(await textOf('.gitignore')).toContain(`/${path}\n`)
    }
    expect(await textOf('.gitignore')).toContain('/deploy/cluster/.env\n')
    const { host, username, pathname } = new URL(example['DATABASE_URL'] ?? '')
    expect(Object.keys(services)).toContain(host)
    expect([username, pathname]).toEqual([example['POSTGRES_USER'], `/${example['POSTGRES_DB']}`])
    const check = (services.database.healthcheck.test as string[]).join(' ')
    expect(check).toContain(`--username=${username} --dbname=${example['POSTGRES_DB']}`)
    // What the database does not need, it does not get.
    const secrets = ['DATABASE_URL', 'ADMIN_TOKEN', 'ENROL_TOKEN', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
    expect(services.database.environment).toMatchObject(Object.fromEntries(secrets.map((name) => [name, ''])))
  })
})

describe('deploy/kubernetes/backhaul.yaml', () => {
  const read = async (): Promise<Record<string, Json>> => {
    const all = documentsOf(await textOf('deploy/kubernetes/backhaul.yaml'))
    return Object.fromEntries(all.map((one) => [one['kind'], one]))
  }

  testWith(
    needsYaml,
    'its variables are what the server knows, and a configuration once they are filled in',
    async () => {
      const { ConfigMap, Secret } = await read()
      const variables = { ...ConfigMap?.['data'], ...Secret?.['stringData'] } as Record<string, string>
      expect(Object.keys(variables).filter((name) => ![...known(), ...ofTheSdk].includes(name))).toEqual([])
      // What is no text is refused by the cluster.
      for (const value of Object.values(variables)) expect(typeof value).toBe('string')
      const config = readConfig(filledIn(variables))
      expect(config).toMatchObject({ database: { kind: 'postgres' }, storage: { kind: 's3' }, trustProxy: 1 })
    },
  )

  testWith(needsYaml, 'its parts belong together', async () => {
    const { Deployment, Service, PodDisruptionBudget, HorizontalPodAutoscaler, Ingress } = await read()
    const { template, selector, replicas } = (Deployment?.['spec'] ?? {}) as Json
    const { labels } = template['metadata'] as Json
    expect(selector['matchLabels']).toEqual(labels)
    expect(Service?.['spec'].selector).toEqual(labels)
    expect(PodDisruptionBudget?.['spec'].selector.matchLabels).toEqual(labels)
    for (const spread of template['spec'].topologySpreadConstraints) {
      expect(spread.labelSelector.matchLabels).toEqual(labels)
    }
    expect(PodDisruptionBudget?.['spec'].minAvailable).toBeLessThan(replicas)
    expect(HorizontalPodAutoscaler?.['spec'].minReplicas).toBeGreaterThanOrEqual(replicas)
    expect(HorizontalPodAutoscaler?.['spec'].scaleTargetRef.name).toBe(Deployment?.['metadata'].name)
    const backend = Ingress?.['spec'].rules[0].http.paths[0].backend
    expect(backend.service.name).toBe(Service?.['metadata'].name)
    expect(Service?.['spec'].ports.map((port: Json) => port['name'])).toContain(backend.service.port.name)
    const [server] = template['spec'].containers
    expect(Service?.['spec'].ports[0].targetPort).toBe(server.ports[0].name)
    expect(server.envFrom).toEqual(['configMapRef', 'secretRef'].map((kind) => ({ [kind]: { name: 'backhaul' } })))
    const held = Number(/MAX_WAIT = (\d+)/.exec(await textOf('server/http/prefer.ts'))?.[1])
    const annotation = (name: string): string =>
      Ingress?.['metadata'].annotations[`nginx.ingress.kubernetes.io/${name}`]
    expect(Number(annotation('proxy-read-timeout'))).toBeGreaterThan(held)
    expect(['request-buffering', 'buffering'].map((name) => annotation(`proxy-${name}`))).toEqual(['off', 'off'])
  })

  testWith(needsYaml, 'it runs the image as it was made, and may do no more than that needs', async () => {
    const { Deployment } = await read()
    const pod = Deployment?.['spec'].template.spec as Json
    const [server] = pod['containers']
    expect(String(server.ports[0].containerPort)).toBe(await imageSays('PORT'))
    expect(server.livenessProbe.httpGet).toEqual({ path: '/health', port: 'http' })
    expect(server.startupProbe.httpGet).toEqual({ path: '/health', port: 'http' })
    expect(server.readinessProbe.httpGet).toEqual({ path: '/ready', port: 'http' })
    // What stops it: the hook, then the grace of requests under way, and what was cut off.
    const [, grace] = /GRACE = (\d)_000/.exec(await textOf('server/listen.ts')) ?? []
    const [, settle] = /SETTLE_WITHIN = (\d)_000/.exec(await textOf('server/main.ts')) ?? []
    const before = Number(server.lifecycle.preStop.exec.command[1])
    expect(pod['terminationGracePeriodSeconds']).toBeGreaterThan(before + Number(grace) + Number(settle))
    expect(pod['securityContext']).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
    expect(server.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const mounts = server.volumeMounts as Json[]
    expect(mounts.map((mount) => mount['mountPath'])).toEqual(['/tmp', await imageSays('RELEASES')])
    expect(mounts.map((mount) => mount['name'])).toEqual(pod['volumes'].map((volume: Json) => volume['name']))
  })
})

/** What each call to the object store must be allowed to do, as Amazon lists it; copies read and put. */
const actions: Record<string, string[]> = {
  HeadBucket: ['s3:ListBucket'],
  ListObjectsV2: ['s3:ListBucket'],
  ListMultipartUploads: ['s3:ListBucketMultipartUploads'],
  HeadObject: ['s3:GetObject'],
  GetObject: ['s3:GetObject'],
  PutObject: ['s3:PutObject'],
  CopyObject: ['s3:GetObject', 's3:PutObject'],
  CreateMultipartUpload: ['s3:PutObject'],
  UploadPart: ['s3:PutObject'],
  UploadPartCopy: ['s3:GetObject', 's3:PutObject'],
  CompleteMultipartUpload: ['s3:PutObject'],
  ListParts: ['s3:ListMultipartUploadParts'],
  AbortMultipartUpload: ['s3:AbortMultipartUpload'],
  DeleteObject: ['s3:DeleteObject'],
  DeleteObjects: ['s3:DeleteObject'],
}

describe('docs/SCALING.md', () => {
  const blocks = (): Json[] => blocksOf('docs/SCALING.md', 'json').map((block) => JSON.parse(block) as Json)
  const statementsOf = (policy: Json | undefined) =>
    (policy?.['Statement'] ?? []) as { Action: string[]; Resource: string }[]

  test('its policy allows what the object store is asked for, and no more', async () => {
    const folder = 'server/stores/s3'
    const sources = await Promise.all(
      (await readdir(join(projectFolder, folder))).map((name) => textOf(`${folder}/${name}`)),
    )
    const calls = new Set([...sources.join('\n').matchAll(/\bnew (\w+)Command\(/g)].map(([, name = '']) => name))
    expect(calls.size).toBeGreaterThan(10)
    const needed = new Set([...calls].flatMap((call) => actions[call] ?? [`of ${call} nothing is known`]))
    const statements = statementsOf(blocks()[0])
    const allowed = statements.flatMap(({ Action }) => Action)
    expect(allowed.toSorted()).toEqual([...needed].toSorted())
    // What is asked of the bucket, and what of its objects.
    for (const { Action, Resource } of statements) {
      const ofBucket = Action.filter((action) => action.startsWith('s3:ListBucket'))
      expect(ofBucket).toHaveLength(Resource.endsWith('/*') ? 0 : Action.length)
    }
  })

  test('its rules for the bucket expire no part, and its connections are those of a server', async () => {
    const rule: Json | undefined = blocks()[1]?.['Rules'][0]
    expect(rule?.['Expiration']).toEqual({ ExpiredObjectDeleteMarker: true })
    expect(rule?.['AbortIncompleteMultipartUpload'].DaysAfterInitiation).toBeGreaterThanOrEqual(7)
    const pool = Number(/^const CONNECTIONS = (\d+)$/m.exec(await textOf('server/stores/postgres/database.ts'))?.[1])
    expect(await textOf('docs/SCALING.md')).toContain(`**Connections.** Each server has ${pool + 1} at most`)
  })
})
