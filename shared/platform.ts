/** What differs between the systems that Node runs on, for whoever writes files or is told to end. */
export interface Platform {
  /** Whether the entries of a folder can be forced to disk. NTFS does so by itself, and refuses to be asked. */
  syncsFolders: boolean
  /** Whether the mode of a file tells who may read it. */
  hasModes: boolean
  /** A file that is open elsewhere, as virus scanners and indexers do, cannot be replaced for that moment. */
  replacesLate: boolean
  /** By which a process is asked to end. */
  stopSignals: readonly NodeJS.Signals[]
}

/** @param platform as `process.platform` has it */
export function platformOf(platform: NodeJS.Platform): Platform {
  const windows = platform === 'win32'
  return {
    syncsFolders: !windows,
    hasModes: !windows,
    replacesLate: windows,
    // Ctrl+C, Ctrl+Break, and the window that is closed.
    stopSignals: windows ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGTERM', 'SIGINT'],
  }
}

export const own = platformOf(process.platform)
