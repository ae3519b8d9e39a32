import type { Command } from 'commander'
import { messageOf } from '../shared/errors.ts'
import { readEnvironment, type Environment } from '../shared/env.ts'
import { readProxy, type Proxy } from '../shared/proxy.ts'
import { createApi, type Api } from './api.ts'
import { CliError } from './errors.ts'
import { createHttp } from './http.ts'
import { createScreen, type Screen, type Stream } from './screen.ts'
import { parseServerUrl } from './server-url.ts'

/** What a command works with. */
export interface Context {
  api: Api
  screen: Screen
  stdout: Stream
  cwd: string
  signal: AbortSignal
  /** Drops every request that is still open; what waits for one fails with `why`. */
  leave: (why: Error) => void
  /** How the user called this program, for hints: `backhaul`, `npm run cli --`. */
  program: string
}

/** What the process gives; nothing else of the program touches it. */
export interface Surroundings {
  env: Environment
  stdout: Stream
  stderr: Stream
  cwd: string
  signal: AbortSignal
  version: string
}

export type Connect = (command: Command) => Context

/** Makes the context of a command out of the options before and after it. */
export function createConnect({ env, stdout, stderr, cwd, signal, version }: Surroundings): Connect {
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
    return {
      api: createApi({
        http: createHttp({ server: address, version, proxy: proxyOf(env, address), signal: any }),
      }),
      screen: createScreen({ stdout, stderr, quiet, asJson: json }),
      stdout,
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

function proxyOf(env: Environment, server: URL): Proxy | undefined {
  const reader = readEnvironment(env)
  const proxy = readProxy(reader, server)
  try {
    reader.finish()
  } catch (error) {
    throw new CliError('usage', `${messageOf(error)}.`, { cause: error })
  }
  return proxy
}
