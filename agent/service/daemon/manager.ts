import type { PathRules } from '../../platform/paths.ts'

/** What is run: a file with its arguments, never through a shell. */
export interface Command {
  /** Absolute. */
  file: string
  args: readonly string[]
  /** Absolute. */
  folder: string
}

/** Where everything of the service lies, absolute. */
export interface DaemonFolders {
  /** Settings and secrets, which only the service and administrators can read. */
  config: string
  state: string
  logs: string
  /** Where a single executable is copied to. */
  program: string
}

/** What starts programs with the machine, where that is not systemd. */
export interface Manager {
  /** What it is called. */
  name: string
  /** As `process.platform` has it. */
  platform: NodeJS.Platform
  paths: PathRules
  folders: DaemonFolders
  /** What is removed with the service. */
  leavings: readonly string[]
  /** Folders that the service's user cannot read. */
  unfit: readonly string[]
  /** Whether this process has the rights for all of it. */
  mayManage(): Promise<boolean>
  /** @throws ConfigError for settings that somebody without rights may have put there */
  checkFolders(): Promise<void>
  /** Makes the user and the folders, and says who may do what there. Done again, it counts for what was written meanwhile. */
  protect(): Promise<void>
  /** Runs it now, again whenever it ends, and from every start of the machine on. */
  start(command: Command): Promise<void>
  /** Ends it; it may come again with the machine. */
  stop(): Promise<void>
  /** Ends and forgets it, and the user that was made for it. */
  remove(): Promise<void>
  /** In its own words; undefined where there is none. */
  state(): Promise<string | undefined>
}

/** What a command printed; undefined where it failed, as for what is not there. */
export async function tried(running: Promise<string>): Promise<string | undefined> {
  return running.catch(() => undefined)
}
