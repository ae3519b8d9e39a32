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
  if (error instanceof Refused && error.code === 'unauthenticated') ended()
  else trouble = messageOf(error)
}

/** Whoever is known by now sees what the address says, and all others a form. */
function enter(now: Session): void {
  session = now
  ;[reached, passing] = [true, false]
  overview = undefined
  counts = createCounts()
  if (now.signedIn && !document.hidden) live.start()
  open()
}

/** The token is good no more, or was given back. */
function ended(): void {
  live.stop()
  enter({ needed: true, signedIn: false, name: null, role: null, content: false })
}

function leave(): void {
  void page().attempt(async () => {
    await signOut()
    ended()
  })
}

function open(): void {
  const before = view.title
  // A link that was followed is gone with its view.
  const inside = root.contains(document.activeElement)
  trouble = undefined
  message = nothing
  loaded = !session?.signedIn
  view = session?.signedIn ? viewOf(routeOf(location.hash), page()) : signInView({ attempt, signedIn: enter })
  draw()
  // Who hears the page is told that it is another; who only pages on stays where they are.
  if (before !== view.title && inside) document.getElementById('main')?.focus()
  void refresher.now()
}

async function attempt(run: () => Promise<void>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    message =
      error instanceof Unreachable ? 'The server does not answer. Nothing is lost: try again.' : messageOf(error)
    draw()
    return false
  }
}

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
draw()
void refresher.now()
