import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { projectFolder } from './processes.ts'

/** What is measured, where and when: one line. The load tells of others on the machine. */
export function surroundings(): string {
  const all = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  const day = new Date().toISOString().slice(0, 10)
  const machine = `${all.length} × ${all[0]?.model.trim()}, ${gib} GiB`
  const load = loadavg()[0]?.toFixed(1)
  return `${day}, ${commit()}, Node ${process.versions.node}, ${type()} ${release()}, ${machine}, load ${load} before`
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: projectFolder, encoding: 'utf8' }).trim()
  try {
    const changed = git('status', '--porcelain', '--', 'agent', 'server', 'shared', 'package.json') !== ''
    return `commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`
  } catch {
    return 'no commit'
  }
}
