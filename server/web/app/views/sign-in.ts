import { html } from 'lit-html'
import { typed } from '../parts.ts'
import { signIn, type Session } from '../session.ts'
import type { View } from '../view.ts'

/** Asks for a token. @param signedIn is told who came in */
export function signInView({
  attempt,
  signedIn,
}: {
  attempt: (run: () => Promise<void>) => Promise<boolean>
  signedIn: (session: Session) => void
}): View {
  const submitted = (event: SubmitEvent): void => {
    event.preventDefault()
    const { token = '' } = typed(event.target as HTMLFormElement)
    void attempt(async () => signedIn(await signIn(token)))
  }
  return {
    title: 'Sign in',
    load: async () => {},
    show: () =>
      // Were it ever sent by the browser itself, the token would be in no address.
      html`<form class="sign-in" method="post" @submit=${submitted}>
        <label>
          Token of an operator
          <input name="token" type="password" required autocomplete="current-password" maxlength="1000" />
        </label>
        <button>Sign in</button>
      </form>`,
    concerns: () => false,
    again: () => undefined,
  }
}
