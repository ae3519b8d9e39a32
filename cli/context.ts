import type { Command } from 'commander'
import { messageOf } from '../shared/errors.ts'
import { readEnvironment, type Environment } from '../shared/env.ts'
import { readProxy, type Proxy } from '../shared/proxy.ts'
import { readTls, type TlsOptions } from '../shared/tls.ts'
import { createApi, type Api } from './api.ts'
import type { Input } from './ask-secret.ts'
import { CliError } from './errors.ts'
import { createHttp } from './http.ts'
import { createScreen, type Screen, type Stream } from './screen.ts'
import { parseServerUrl, shownUrl } from './server-url.ts'
import { findToken, keepToken, tokenFile } from './token-file.ts'

/** What a command works with. */
export interface Context {
  api: Api
  screen: Screen
  /** The user's token for the server. */
  access: Access
  stdin: Input
  stdout: Stream
  stderr: Stream
  cwd: string
  signal: AbortSignal
  /** Drops every request that is still open; what waits for one fails with `why`. */
  leave: (why: Error) => void
  /** How the user called this program, for hints: `backhaul`, `npm run cli --`. */
  program: string
}

export interface Access {
  /** For people. */
  server: string
  /** Where tokens are kept. */
  file: string
  /** The token of the calls from now on. */
  use(token: string): void
  /** Keeps the token for later, or forgets it. @throws CliError `token-file` */
  keep(token: string | undefined): Promise<void>
}

/** What the process gives; nothing else of the program touches it. */
export interface Surroundings {
  env: Environment
  stdin: Input
  stdout: Stream
  stderr: Stream
  cwd: string
  signal: AbortSignal
  version: string
}

export type Connect = (command: Command) => Context

/** Makes the context of a command out of the options before and after it. */
export function createConnect({ env, stdin, stdout, stderr, cwd, signal, version }: Surroundings): Connect {
  return (command) => {
    const {
      server,
      json = false,
      quiet = false,
    } = command.optsWithGlobals<{
      server?: URL
      json?: boolean
      quiet?: boolean
    }>()
    const leaving = new AbortController()
    const any = AbortSignal.any([signal, leaving.signal])
    const address = server ?? serverOf(env)
    const { proxy, tls } = wayTo(env, address)
    let token = findToken(env, address)
    return {
      api: createApi({
        http: createHttp({
          server: address,
          version,
          proxy,
          tls,
          token: () => token,
          tokenSource: env['BACKHAUL_TOKEN']?.trim() ? 'of BACKHAUL_TOKEN' : 'of login',
          program: programOf(env),
          signal: any,
        }),
      }),
      access: {
        server: shownUrl(address),
        file: tokenFile(env),
        use: (given) => (token = given),
        keep: (given) => keepToken(env, address, given),
      },
      screen: createScreen({ stdout, stderr, quiet, asJson: json }),
      stdin,
      stdout,
      stderr,
      cwd,
      signal: any,
      leave: (why) => leaving.abort(why),
      program: programOf(env),
    }
  }
}

/** `npm run cli -- …` leaves its script's name in the environment. */
export function programOf(env: Environment): string {
  return env.npm_lifecycle_event === 'cli' ? 'npm run cli --' : 'backhaul'
}

function serverOf(env: Environment): URL {
  try {
    return parseServerUrl(env.SERVER_URL ?? '')
  } catch (error) {
    throw new CliError('usage', `SERVER_URL ${messageOf(error)}.`, { cause: error })
  }
}

/** What lies on the way to the server, and how it is known there. */
function wayTo(env: Environment, server: URL): { proxy: Proxy | undefined; tls: TlsOptions } {
  const reader = readEnvironment(env)
  const proxy = readProxy(reader, server)
  const tls = readTls(reader, { ca: 'CA_FILE', pin: 'SERVER_PIN', cert: 'CLIENT_CERT', key: 'CLIENT_KEY' }, server)
  try {
    reader.finish()
  } catch (error) {
    throw new CliError('usage', `${messageOf(error)}.`, { cause: error })
  }
  return { proxy, tls }
}
