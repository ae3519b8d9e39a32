import { execFileSync } from 'node:child_process'
import type { Json } from './stack.ts'
import type { Needs } from './lacking.ts'

/** YAML is read by Python, as podman-compose does: the product has none to read. */
export const needsYaml: Needs = { programs: ['python3'], probe: "python3 -c 'import yaml'" }

const script = 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)'

/** The documents of YAML. @throws Error for what is none */
export function documentsOf(text: string): Json[] {
  return JSON.parse(execFileSync('python3', ['-c', script], { input: text, encoding: 'utf8' }))
}
