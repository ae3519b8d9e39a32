import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import packageJson from '../../package.json' with { type: 'json' }
import { projectFolder } from '../helpers/process.ts'

const flagsOf = (script: string): string[] => script.split(' ').filter((word) => /^--(?!import|sample)/.test(word))

test('the images start server and agent with the flags of the npm scripts', async () => {
  const dockerfile = await readFile(join(projectFolder, 'Dockerfile'), 'utf8')
  const commands = [...dockerfile.matchAll(/^CMD (\[.*\])$/gm)].map(([, json = '']) => JSON.parse(json) as string[])
  const flags = commands.map((command) => command.filter((word) => word.startsWith('--')))
  expect(flags).toEqual([flagsOf(packageJson.scripts.agent), flagsOf(packageJson.scripts.start)])
  expect(flags[0]?.length).toBeGreaterThan(3)
})
