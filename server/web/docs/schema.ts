import type { JsonSchema } from '../../http/api-document.ts'
import { html, joined, type Html, type Part } from '../html.ts'
import { code, prose } from './text.ts'

const REFERENCE = '#/components/schemas/'

/** What a value may be: its type in words, and below it what it is made of. */
export function schemaHtml(schema: JsonSchema): Html {
  return html`${inWords(schema)}${members(schema)}`
}

/** `a list of at most 100 texts`, as far as that is told without members. */
export function inWords(schema: JsonSchema): Part {
  if (schema.$ref !== undefined) return reference(schema.$ref)
  if (schema.enum) return choice(schema.enum)
  if (schema.const !== undefined) return code(JSON.stringify(schema.const))
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (several) return joined(several.map(inWords), schema.allOf ? ' and ' : ' or ')
  if (schema.type === 'array') return html`list of ${inWords(schema.items ?? {})}${limits(schema)}`
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object')
    return html`object of names and ${inWords(schema.additionalProperties)}`
  const type = [schema.type ?? 'anything'].flat().join(' or ')
  return html`${type}${schema.format === undefined ? '' : ` (${schema.format})`}${limits(schema)}`
}

function reference(ref: string): Html {
  const name = ref.slice(REFERENCE.length)
  return html`<a href="#schema-${name}">${name}</a>`
}

function choice(values: unknown[]): Part {
  const shown = joined(
    values.map((value) => code(typeof value === 'string' ? value : JSON.stringify(value))),
    ', ',
  )
  return values.length === 1 ? shown : html`one of ${shown}`
}

function limits(schema: JsonSchema): Part {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, default: unless } = schema
  const told = [
    ...bounds(minimum, maximum, ''),
    ...bounds(minLength, maxLength, ' characters'),
    ...bounds(minItems, maxItems, ' entries'),
    ...(pattern === undefined ? [] : [html`matches ${code(pattern)}`]),
    ...(unless === undefined ? [] : [html`${code(JSON.stringify(unless))} without it`]),
  ]
  return told.map((limit) => html`, ${limit}`)
}

function bounds(least: number | undefined, most: number | undefined, unit: string): Part[] {
  const told: Part[] = []
  if (least !== undefined) told.push(`at least ${least.toLocaleString('en')}${unit}`)
  if (most !== undefined) told.push(`at most ${most.toLocaleString('en')}${unit}`)
  return told
}

/** The properties of an object, of the objects in a list, or of what it is one of. */
function members(schema: JsonSchema): Part {
  const { properties, required = [], items, additionalProperties: others } = schema
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (several) return several.map(members)
  if (items) return members(items)
  if (typeof others === 'object') return members(others)
  if (!properties) return undefined
  const entries = Object.entries(properties)
  return html`<ul class="schema">
    ${entries.map(([name, member]) => memberHtml(name, member, required.includes(name)))}
  </ul>`
}

function memberHtml(name: string, schema: JsonSchema, required: boolean): Html {
  const said = schema.description === undefined ? '' : html`<br />${prose(schema.description)}`
  return html`<li>
    ${code(name)} ${required ? '' : html`<i>optional</i> `}${inWords(schema)}${said}${members(schema)}
  </li>`
}
