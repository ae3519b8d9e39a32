import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { projectFolder } from './process.ts'

const run = promisify(execFile)

/** Makes a site behind NAT with a slow, lossy link in network namespaces; it needs root. */
export const wanScript = join(projectFolder, '..', 'shared', 'net', 'wan.sh')

export interface Wan {
  /** Commands that run another on a side of the link. */
  site: readonly string[]
  cloud: readonly string[]
  /** The server's address as the site sees it, and as a test sees it, past the link. */
  cloudHost: string
  testHost: string
  cut(): Promise<void>
  mend(): Promise<void>
  forget(): Promise<void>
  /** Bytes that have come to the cloud's side so far. */
  arrived(): Promise<number>
  down(): Promise<void>
}

/** Brings a link up. @param rateMbit Mbit/s @param rttMs round trip @param lossPercent packets lost */
export async function startWan(rateMbit: number, rttMs: number, lossPercent: number, by = wanScript): Promise<Wan> {
  const name = `bh${process.pid}`
  const script = (...args: string[]) => run('bash', [by, ...args], { env: { ...process.env, NAME: name } })
  const ip = (...args: string[]) => run('ip', args)
  await script('up', String(rateMbit), String(rttMs), String(lossPercent))
  // A way past the link, for the test itself; two of them at once on one machine do not meet.
  const subnet = `10.78.${(process.pid >> 6) & 255}.`
  const first = (process.pid & 63) * 4
  const [ours, theirs] = [`${subnet}${first + 1}`, `${subnet}${first + 2}`]
  const [here, there] = [`${name}h`, `${name}t`]
  await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', `${name}-cloud`)
  await ip('addr', 'add', `${ours}/30`, 'dev', here)
  await ip('link', 'set', here, 'up')
  await ip('-n', `${name}-cloud`, 'addr', 'add', `${theirs}/30`, 'dev', there)
  await ip('-n', `${name}-cloud`, 'link', 'set', there, 'up')
  return {
    site: ['ip', 'netns', 'exec', `${name}-site`],
    cloud: ['ip', 'netns', 'exec', `${name}-cloud`],
    cloudHost: '10.77.2.2',
    testHost: theirs,
    cut: async () => void (await script('cut')),
    mend: async () => void (await script('mend')),
    forget: async () => void (await script('forget')),
    arrived: async () => Number((await script('cloud', 'cat', '/sys/class/net/c0/statistics/rx_bytes')).stdout),
    async down() {
      // A namespace lives for as long as its last connection does.
      await ip('link', 'del', here)
      await script('down')
    },
  }
}
