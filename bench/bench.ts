import type { Command } from 'commander'
import type { PeerName } from './peers/peer.ts'
import type { Report } from './report.ts'

/** What every part works with. */
export interface Bench {
  /** Where files are made and stored; it is removed at the end. */
  folder: string
  /** The peers that take part. */
  peers: readonly PeerName[]
  /** A script that makes a slow, lossy link between two network namespaces, if there is one. */
  net: string | undefined
  signal: AbortSignal
  /** Says what is going on, to people who wait. */
  say(text: string): void
}

/** One measurement, a subcommand. */
export interface Part<Options> {
  name: string
  description: string
  /** Declares its options, all with defaults. */
  declare(command: Command): Command
  /** What it needs on the disk, in bytes. */
  room(options: Options): number
  /** Why it cannot be done here, if so. */
  lacks?(bench: Bench): string | undefined | Promise<string | undefined>
  run(bench: Bench, options: Options, args: readonly string[]): Promise<Report>
}
