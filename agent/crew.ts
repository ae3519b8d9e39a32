/** Tasks that run beside each other, a bounded number at once; the first failure ends all. */
export interface Crew {
  /** Aborts when a task failed or the outer signal aborted. */
  readonly signal: AbortSignal
  /**
   * Resolves when there is room for one more task.
   * @throws the first failure
   */
  room(): Promise<void>
  start(task: () => Promise<void>): void
  /**
   * Resolves when every task is done.
   * @throws the first failure, after every task has settled
   */
  finish(): Promise<void>
  /** Aborts what runs and waits for it; never throws. */
  disband(): Promise<void>
}

/** @param limit tasks at once */
export function createCrew({ limit, signal }: { limit: number; signal: AbortSignal }): Crew {
  const stop = new AbortController()
  const joined = AbortSignal.any([signal, stop.signal])
  const tasks = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  /** Of the next task. No race of all tasks: one that runs for hours would keep what each race leaves with it. */
  let end = Promise.withResolvers<void>()

  const leave = (task: Promise<void>): void => {
    tasks.delete(task)
    end.resolve()
    end = Promise.withResolvers()
  }

  const check = (): void => {
    if (failure) throw failure.error
    joined.throwIfAborted()
  }

  const settle = async (): Promise<void> => {
    while (tasks.size > 0) await Promise.all(tasks)
  }

  return {
    signal: joined,
    async room() {
      check()
      while (tasks.size >= limit) {
        await end.promise
        check()
      }
    },
    start(task) {
      const running: Promise<void> = task()
        .catch((error: unknown) => {
          failure ??= { error }
          stop.abort(error)
        })
        .finally(() => leave(running))
      tasks.add(running)
    },
    async finish() {
      await settle()
      check()
    },
    async disband() {
      stop.abort(new Error('The work was dropped.'))
      await settle()
    },
  }
}
