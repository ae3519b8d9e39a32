import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { projectFolder } from '../helpers/process.ts'

const flagsOf = (words: readonly string[]): string[] =>
  words.filter((word) => /^--(?!import|sample|version)/.test(word))

test('the images start server and agent with the flags of the npm scripts', async () => {
  const [dockerfile, json] = await Promise.all(
    ['Dockerfile', 'package.json'].map((name) => readFile(join(projectFolder, name), 'utf8')),
  )
  const { scripts } = JSON.parse(json ?? '') as { scripts: { agent: string; start: string } }
  const commands = [...(dockerfile ?? '').matchAll(/^CMD (\[.*\])$/gm)].map(
    ([, list = '']) => JSON.parse(list) as string[],
  )
  const [agent, server] = [scripts.agent, scripts.start].map((script) => flagsOf(script.split(' ')))
  expect(agent?.length).toBeGreaterThan(3)
  expect(commands.map(flagsOf)).toEqual([agent, server])
  // What was compiled with other flags is of no use.
  expect(flagsOf((/^RUN node (.*) && /m.exec(dockerfile ?? '')?.[1] ?? '').split(' '))).toEqual(agent)
})

test('the release that docker-compose.yml mounts is where the image looks for it, and where it is built', async () => {
  const [dockerfile, compose, builder] = await Promise.all(
    ['Dockerfile', 'docker-compose.yml', 'packaging/build-agent.ts'].map((name) =>
      readFile(join(projectFolder, name), 'utf8'),
    ),
  )
  const releases = /^ENV .*RELEASES=(\S+)/m.exec(dockerfile ?? '')?.[1]
  const built = /buildOptions\('(\S+)'\)/.exec(builder ?? '')?.[1]
  expect(releases).toMatch(/^\//)
  expect(compose).toContain(`'./${built}:${releases}:ro,z'`)
})
