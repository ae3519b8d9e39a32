import { nothing, render } from 'lit-html'
import type { Overview } from '../../../shared/operator.ts'
import { Refused, Unreachable } from './api.ts'
import { createLive } from './live.ts'
import { createCounts } from './overview.ts'
import { createRefresher } from './refresh.ts'
import { routeOf } from './route.ts'
import { readSession, signOut, type Session } from './session.ts'
import { shell } from './shell.ts'
import { messageOf } from './text.ts'
import type { Page, View } from './view.ts'
import { viewOf } from './views/index.ts'
import { signInView } from './views/sign-in.ts'
import { unknownView } from './views/unknown.ts'

/** In ms: how soon to try again when nobody answers, or no events come. */
const AGAIN = 3_000
const OVER = 'This sign-in is over: its token has run out or was revoked, or 12 hours have passed.'

const root = document.getElementById('app') ?? document.body
let session: Session | undefined
let overview: Overview | undefined
let counts = createCounts()
let view: View = unknownView()
let loaded = false
let trouble: string | undefined
let message: unknown = nothing
let reached = true
/** What was refused may be answered the next time. */
let passing = false
/** The other tabs of this browser: they have the same cookie. */
const tabs = new BroadcastChannel('sign-in')

const live = createLive({
  told: (event) => {
    if (!event || view.concerns(event)) refresher.ask()
  },
  changed: () => {
    // What happened while it was broken is not known here.
    if (live.isOpen()) refresher.ask()
    draw()
  },
})
const refresher = createRefresher({
  look,
  again: () => {
    if (!reached || passing) return AGAIN
    if (!session?.signedIn) return undefined
    return view.again() ?? (live.isOpen() ? counts.again() : AGAIN)
  },
})

function draw(): void {
  const connection = !reached ? 'gone' : live.isOpen() || !session?.signedIn ? 'live' : 'quiet'
  document.title = `${view.title} · Backhaul`
  render(shell({ session, overview, connection, view, loaded, trouble, message, signOut: leave }), root)
}

/** Fetches what is shown, whatever that is by now. */
async function look(): Promise<void> {
  const shown = view
  try {
    if (!session) return enter(await readSession())
    if (!session.signedIn) return
    await shown.load()
    overview = await counts.latest()
    ;[reached, passing] = [true, false]
    if (shown === view) [loaded, trouble] = [true, undefined]
  } catch (error) {
    if (shown === view) failed(error)
  }
  draw()
}

function failed(error: unknown): void {
  reached = !(error instanceof Unreachable)
  passing = error instanceof Refused && (error.status >= 500 || error.status === 429)
  if (!reached) return
  if (isOver(error)) ended(OVER)
  else trouble = messageOf(error)
}

const isOver = (error: unknown): boolean =>
  session?.signedIn === true && error instanceof Refused && error.code === 'unauthenticated'

/** Whoever is known by now sees what the address says, and all others a form. */
function enter(now: Session): void {
  session = now
  ;[reached, passing] = [true, false]
  overview = undefined
  counts = createCounts()
  if (now.signedIn && !document.hidden) live.start()
  open()
}

/** The token is good no more, or was given back. @param why to be said with the form */
function ended(why: unknown = nothing): void {
  live.stop()
  enter({ needed: true, signedIn: false, name: null, role: null, content: false })
  message = why
  draw()
}

function signedIn(now: Session): void {
  enter(now)
  tabs.postMessage('in')
}

function leave(): void {
  void page().attempt(async () => {
    await signOut()
    ended()
    tabs.postMessage('out')
  })
}

function open(): void {
  const before = view.title
  // A link that was followed is gone with its view.
  const inside = root.contains(document.activeElement)
  trouble = undefined
  message = nothing
  loaded = !session?.signedIn
  view = session?.signedIn ? viewOf(routeOf(location.hash), page()) : signInView({ attempt, signedIn })
  draw()
  // Who hears the page is told that it is another; who only pages on stays where they are.
  if (before !== view.title && inside) document.getElementById('main')?.focus()
  void refresher.anew()
}

async function attempt(run: () => Promise<void>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    if (isOver(error)) ended(OVER)
    else message = wordsOf(error)
    draw()
    return false
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof Unreachable ? 'The server does not answer. Nothing is lost: try again.' : messageOf(error)

function page(): Page {
  if (!session) throw new Error('nobody is known yet')
  return {
    session,
    draw,
    refresh: () => refresher.now(),
    say(what) {
      message = what
      draw()
    },
    attempt,
  }
}

addEventListener('hashchange', () => {
  if (session) open()
})
document.addEventListener('visibilitychange', () => {
  // A page that nobody sees hears nothing: browsers have few connections for each server.
  if (document.hidden) live.stop()
  else if (session?.signedIn) live.start()
})
// Who looks is another by now: nothing is shown, or done, in the name of the one before.
tabs.addEventListener('message', () => {
  live.stop()
  ;[session, loaded] = [undefined, false]
  draw()
  void refresher.now()
})
draw()
void refresher.now()
