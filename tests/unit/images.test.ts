import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { projectFolder } from '../helpers/process.ts'

const flagsOf = (script: string): string[] => script.split(' ').filter((word) => /^--(?!import|sample)/.test(word))

test('the images start server and agent with the flags of the npm scripts', async () => {
  const [dockerfile, json] = await Promise.all(
    ['Dockerfile', 'package.json'].map((name) => readFile(join(projectFolder, name), 'utf8')),
  )
  const { scripts } = JSON.parse(json ?? '') as { scripts: { agent: string; start: string } }
  const commands = [...(dockerfile ?? '').matchAll(/^CMD (\[.*\])$/gm)].map(
    ([, list = '']) => JSON.parse(list) as string[],
  )
  const flags = commands.map((command) => command.filter((word) => word.startsWith('--')))
  expect(flags).toEqual([flagsOf(scripts.agent), flagsOf(scripts.start)])
  expect(flags[0]?.length).toBeGreaterThan(3)
})
