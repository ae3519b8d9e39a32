/** Work that must be done, and may have to wait until the stores can be written again. */
export interface Later {
  /** Does the work now; should it fail, it is kept under its key and done later. Never throws. */
  insist(key: string, work: () => Promise<unknown>): Promise<void>
  /** Does what is kept under the key, if there is anything. @throws what the work throws; it is kept then */
  settle(key: string): Promise<void>
  /** Tries everything that is kept once more; never throws. */
  again(): Promise<void>
}

export function createLater({ report }: { report: (error: unknown, what: string, id: string) => void }): Later {
  const kept = new Map<string, () => Promise<unknown>>()

  const settle = async (key: string): Promise<void> => {
    const work = kept.get(key)
    if (!work) return
    await work()
    kept.delete(key)
  }

  const attempt = async (key: string): Promise<void> => {
    try {
      await settle(key)
    } catch (error) {
      report(error, 'an attempt cannot be given up yet; it is tried again', key)
    }
  }

  return {
    settle,
    async insist(key, work) {
      // The first work says the true reason; what follows from its failure does not replace it.
      if (!kept.has(key)) kept.set(key, work)
      await attempt(key)
    },
    async again() {
      for (const key of kept.keys()) await attempt(key)
    },
  }
}
