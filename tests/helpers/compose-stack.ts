import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { startEngine, type Engine, type Ran } from './containers.ts'
import { temporaryFolder } from './folder.ts'
import { projectFolder } from './process.ts'
import type { Json } from './stack.ts'

/** The containers of docker-compose.yml, in a copy of the project. */
export interface ComposeStack {
  engine: Engine
  folder: string
  /** Runs a program in the folder, and expects it to succeed. @returns what it printed on standard output */
  run(...command: string[]): Promise<string>
  compose(...args: string[]): Promise<string>
  /** A command of the engine itself. */
  engineRun(...args: string[]): Promise<string>
  /** Answers the menu of test-guide.sh with these choices, and ends it. */
  guide(...choices: string[]): Promise<Ran>
  /** A call to the server, as an admin. */
  call(path: string, body?: Json): Promise<Json>
  container(service: string): Promise<string>
  /** Arguments of every curl and engine command so far. */
  seen(): Promise<string>
  stop(): Promise<void>
}

const files = ['package.json', 'package-lock.json', 'Dockerfile', '.dockerignore', 'docker-compose.yml', 'setup.sh']
const folders = ['agent', 'cli', 'deploy', 'server', 'shared', 'test-guide.sh', 'generate-test-file.sh']

export async function startComposeStack(): Promise<ComposeStack> {
  const engine = await startEngine()
  const { folder, remove } = await temporaryFolder()
  for (const name of [...files, ...folders]) {
    await cp(join(projectFolder, name), join(folder, name), { recursive: true })
  }
  const argv = join(folder, 'argv')
  const spied = await spies(folder, argv, [engine.command, 'curl'])
  const project = basename(folder).toLowerCase()
  const env = { PATH: spied, COMPOSE: engine.compose, COMPOSE_PROJECT_NAME: project }

  const run = async (...command: string[]): Promise<string> => {
    const { code, stdout, output } = await engine.run(command, { cwd: folder, env })
    if (code === 0) return stdout.trim()
    throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`)
  }
  const compose = (...args: string[]): Promise<string> => run(...engine.compose.split(' '), ...args)
  const engineRun = (...args: string[]): Promise<string> => run(engine.command, ...args)
  const listed = (...filters: string[]): string[] =>
    [`label=com.docker.compose.project=${project}`, ...filters].flatMap((filter) => ['--filter', filter])

  return {
    engine,
    folder,
    run,
    compose,
    engineRun,
    guide: (...choices) =>
      engine.run(['./test-guide.sh'], { cwd: folder, env, input: `${[...choices, '0'].join('\n')}\n` }),
    async call(path, body) {
      const token = /^ADMIN_TOKEN=(.*)$/m.exec(await readFile(join(folder, '.env'), 'utf8'))?.[1]
      const posted = body === undefined ? [] : ['-H', 'content-type: application/json', '-d', JSON.stringify(body)]
      const { stdout } = await engine.run(['curl', '-sS', '-K', '-', ...posted, `http://localhost:3000${path}`], {
        env,
        input: `header = "Authorization: Bearer ${token}"`,
      })
      return (stdout === '' ? {} : JSON.parse(stdout)) as Json
    },
    container: (service) => engineRun('ps', '-aq', ...listed(`label=com.docker.compose.service=${service}`)),
    seen: () => readFile(argv, 'utf8'),
    async stop() {
      await engine.run([...engine.compose.split(' '), 'down', '-v'], { cwd: folder, env })
      // Not every one takes its network down.
      await engine.run([engine.command, 'network', 'rm', `${project}_default`])
      await engine.stop()
      await remove()
    },
  }
}

/** Programs that write down their arguments, as a list of processes would show them. @returns a PATH with them */
async function spies(folder: string, argv: string, names: string[]): Promise<string> {
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const name of names) {
    const file = join(bin, name)
    await writeFile(file, `#!/bin/sh\nprintf '%s\\n' "$0 $*" >> ${argv}\nPATH=\${PATH#*:}\nexec ${name} "$@"\n`)
    await chmod(file, 0o755)
  }
  return `${bin}:${process.env['PATH']}`
}
