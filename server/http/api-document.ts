/** A JSON Schema of the dialect that OpenAPI 3.1 takes (2020-12), as far as ours go. */
export interface JsonSchema {
  $ref?: string
  type?: string | string[]
  description?: string
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  default?: unknown
  examples?: unknown[]
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
  propertyNames?: JsonSchema
  items?: JsonSchema
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  allOf?: JsonSchema[]
}

export interface ApiParameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  description?: string
  explode?: boolean
  schema: JsonSchema
}

export type ApiContent = Record<string, { schema?: JsonSchema }>

export interface ApiResponse {
  description: string
  headers?: Record<string, { $ref: string }>
  content?: ApiContent
}

export interface ApiOperation {
  operationId: string
  summary: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters: ApiParameter[]
  requestBody?: { required: boolean; content: ApiContent }
  responses: Record<string, ApiResponse>
}

/** An OpenAPI 3.1 document, as far as ours goes. */
export interface ApiDocument {
  openapi: string
  info: { title: string; version: string; description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, ApiOperation>>
  components: {
    schemas: Record<string, JsonSchema>
    headers: Record<string, { description: string; schema: JsonSchema }>
    securitySchemes: Record<string, { type: 'http'; scheme: string; description: string }>
  }
}
