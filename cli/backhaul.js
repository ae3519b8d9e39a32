#!/usr/bin/env node
// Plain JavaScript, because it must start before anything can read TypeScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// From 24.3 on, Node reads TypeScript without a warning.
const oldestNode = [24, 3]

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

const [major, minor] = process.versions.node.split('.').map(Number)
if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) {
  await import('../shared/compile-cache.js')
  await import('./main.ts')
} else {
  const brought = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))
  if (existsSync(brought)) {
    runOn(brought)
  } else {
    process.stderr.write(
      `backhaul: needs Node.js ${oldestNode.join('.')} or newer, this is ${process.versions.node}. (usage)\n`,
    )
    process.exitCode = 2
  }
}
