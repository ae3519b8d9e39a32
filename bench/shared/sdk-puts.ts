import { s3Place } from '../../tests/helpers/s3.ts'
import { startProcess } from '../processes.ts'
import { credentials } from './place.ts'

/** What the SDK alone is started with. */
export interface SdkTask {
  bucket: string
  /** What all keys begin with. */
  prefix: string
  objects: number
  /** Bytes of each object. */
  size: number
  connections: number
}

export interface Puts {
  seconds: number
  /** Processor seconds of the client. */
  cpu: number
}

/** Has the SDK alone put objects, in a process of its own, into a place that is removed again. */
export async function putBySdk(task: Omit<SdkTask, 'bucket' | 'prefix'>): Promise<Puts> {
  const place = s3Place()
  const all: SdkTask = { ...task, bucket: place.bucket, prefix: place.prefix }
  const child = startProcess([process.execPath, 'bench/shared/sdk-client.ts', JSON.stringify(all)], {
    env: credentials(),
  })
  try {
    await child.line(({ msg }) => msg === 'ready')
    child.go()
    return (await child.line(({ msg }) => msg === 'put')) as unknown as Puts
  } finally {
    await child.stop()
    await place.remove()
  }
}
