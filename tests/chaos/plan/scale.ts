/** How much fits into a run. */
export interface Scale {
  seconds: number
  clients: number
  /** Bytes asked for in all, but for the sparse file. */
  bytes: number
  /** Tiny files of each client. */
  tiny: number
  /** Of the largest file of random bytes. */
  largest: number
  /** Of the file that is nearly all holes. */
  sparse: number
  /** How long a fault may last, in seconds. */
  longestFault: number
  /** Whether there is time for faults that are only noticed by a timeout, or waited out by a `Retry-After`. */
  patient: boolean
  /** How long everything may take to end once the faults are over, in seconds. */
  settle: number
}

const MiB = 1024 * 1024

/** @param seconds for which faults come */
export function scaleOf(seconds: number): Scale {
  const patient = seconds >= 60
  return {
    seconds,
    clients: patient ? 4 : 2,
    bytes: Math.min(2000, seconds * 6) * MiB,
    tiny: Math.min(60, Math.ceil(seconds / 3)),
    largest: (patient ? 48 : 12) * MiB,
    sparse: (patient ? 1024 : 32) * MiB,
    longestFault: Math.min(40, seconds / 4),
    patient,
    settle: patient ? 150 : 60,
  }
}
