import { z } from 'zod'
import type { JsonSchema } from './api-document.ts'
import { answers, requests } from './schemas.ts'

export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })

/** Every message, each by its name; one in another refers to it. */
export function schemasOfMessages(): Record<string, JsonSchema> {
  return { ...named(requests, 'input'), ...named(answers, 'output') }
}

/** What one value of a query or a header may be. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  return plain(z.toJSONSchema(schema, { io: 'input', override: withoutPlainBounds }))
}

function named(messages: Record<string, z.ZodType>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(messages)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri: (id) => String(refTo(id).$ref),
    override: (made) => {
      withoutPlainBounds(made)
      if (io === 'output') openToMore(made)
    },
  })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, plain(schema)]))
}

interface Made {
  jsonSchema: z.core.JSONSchema.BaseSchema
}

/** What is answered may have more in it one day. */
function openToMore({ jsonSchema }: Made): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
}

/** That a whole number is one that JSON can tell is no limit that anybody chose. */
function withoutPlainBounds({ jsonSchema }: Made): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
}

function plain(schema: object): JsonSchema {
  const { $schema: _dialect, $id: _id, ...rest } = schema as JsonSchema & { $schema?: string; $id?: string }
  return rest
}
