import { test } from '@jest/globals'
import { openS3Bytes } from '../../server/stores/s3/index.ts'
import { s3Lacking, s3Place } from '../helpers/s3.ts'
import { byteStoreContract } from './bytes.ts'

const lacks = s3Lacking()

if (lacks !== undefined) test.skip(`byte store: s3 (${lacks})`, () => undefined)
else {
  byteStoreContract(
    's3',
    async () => {
      const place = s3Place()
      return { open: () => openS3Bytes({ ...place, owner: 'contract' }), remove: place.remove }
    },
    { holdsParts: false },
  )
}
