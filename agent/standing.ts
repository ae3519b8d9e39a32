import type { Notify } from '../shared/notify.ts'

/** How things are with this agent, for whoever runs the machine: what `systemctl status` shows, and when a start is over. */
export interface Standing {
  /** The server was reached, or lost. */
  contact(connected: boolean): void
  /** The server was reached, and does not want this agent. */
  refused(why: string): void
  /** So many files are under way. */
  files(count: number): void
}

/** A site whose line is dead starts, too: nobody waits longer than this for the server, in ms. */
const READY_WITHIN_MS = 10_000

/** How the words begin that say that the server answers: `service status` reads them, too. */
export const CONNECTED = 'connected to '

/** @param server its address, as it may be shown */
export function createStanding({ notify, server }: { notify: Notify; server: string }): Standing {
  let where = `trying to reach ${server}`
  let count = 0
  let ready = false

  const show = (): void => {
    const files = count === 0 ? '' : `, ${count === 1 ? 'one file' : `${count} files`} under way`
    notify.status(where + files)
  }

  const beReady = (): void => {
    if (ready) return
    ready = true
    clearTimeout(patience)
    notify.ready()
  }

  const patience = setTimeout(beReady, READY_WITHIN_MS).unref()

  const is = (text: string): void => {
    if (text === where) return
    where = text
    show()
  }

  show()
  return {
    contact(connected) {
      is(connected ? `${CONNECTED}${server}` : `no answer from ${server}, trying again`)
      if (connected) beReady()
    },
    refused(why) {
      is(`not let in by ${server}: ${why}`)
      beReady()
    },
    files(now) {
      if (now === count) return
      count = now
      show()
    },
  }
}
