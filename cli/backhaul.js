#!/usr/bin/env node
// Plain JavaScript, because it must start before anything can read TypeScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const oldestNode = 24

/** Runs this file again on the Node.js that `npm ci` brought, with the same arguments, streams and signals. */
function runOn(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`backhaul: ${node} does not start: ${error.message}; run npm ci again. (usage)\n`)
    process.exitCode = 2
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)
  })
}

if (Number.parseInt(process.versions.node, 10) >= oldestNode) {
  const { register } = await import('tsx/esm/api')
  register()
  await import('./main.ts')
} else {
  const brought = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))
  if (existsSync(brought)) {
    runOn(brought)
  } else {
    process.stderr.write(`backhaul: needs Node.js ${oldestNode} or newer, this is ${process.versions.node}. (usage)\n`)
    process.exitCode = 2
  }
}
