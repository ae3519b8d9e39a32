import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { makeContent } from './content.ts'
import { inLanes } from './lanes.ts'
import { cpuSeconds, done, taskOf, tell, toldToGo } from './lines.ts'
import type { SdkTask } from './sdk-puts.ts'

// The AWS SDK alone, with the settings that cost the least: objects from memory, each with its MD5. Started by
// bench/shared/sdk-puts.ts.
const { bucket, prefix, objects, size, connections } = taskOf() as SdkTask
/** Objects of each connection before those that count. */
const WARM_UP = 2
const content = makeContent(objects * size, size)
const endpoint = process.env['S3_ENDPOINT'] ?? ''
const client = new S3Client({
  endpoint,
  forcePathStyle: true,
  region: process.env['AWS_REGION'] ?? 'us-east-1',
  requestChecksumCalculation: 'WHEN_REQUIRED',
  expectContinueHeader: false,
  requestHandler: { httpAgent: new Agent({ keepAlive: true, maxSockets: connections }) },
})

async function put(number: number, key = `${prefix}${number}`): Promise<void> {
  const { bytes } = content.piece(number)
  const ContentMD5 = createHash('md5').update(bytes).digest('base64')
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ContentMD5 }))
}

// Neither end is measured before it has its speed.
await inLanes(WARM_UP * connections, connections, (number) => put(number, `${prefix}warm-${number}`))
tell({ msg: 'ready' })
await toldToGo()
const [begun, cpu] = [performance.now(), cpuSeconds()]
await inLanes(objects, connections, (number) => put(number))
tell({ msg: 'put', seconds: (performance.now() - begun) / 1000, cpu: cpuSeconds() - cpu })
client.destroy()
done()
