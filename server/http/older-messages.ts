import { z } from 'zod'
import { downloadSchema } from '../../shared/operator.ts'
import { clientIdSchema, pathSchema } from '../../shared/protocol.ts'

/** What the paths of older systems take and answer; the underscores are theirs. */

const fileName = { fileName: pathSchema.optional(), file_name: pathSchema.optional() }
export const olderRequestSchema = z
  .object({ clientId: clientIdSchema.optional(), client_id: clientIdSchema.optional(), ...fileName })
  .refine((body) => body.clientId ?? body.client_id, { message: 'is missing', path: ['clientId'] })
export const olderFileRequestSchema = z.object(fileName)

const olderNames = { client_id: z.string(), file_name: z.string().nullable() }
export const olderRequestedSchema = downloadSchema.extend({ message: z.string(), ...olderNames })
export const olderDownloadSchema = downloadSchema.extend({ ...olderNames, checksum: z.string().nullable() })
export const olderClientsSchema = z.object({ count: z.int(), clients: z.array(z.string()) })
