import { openS3Bytes } from '../../server/stores/s3/index.ts'
import { describeWith } from '../helpers/needs.ts'
import { s3Lacking, s3Place } from '../helpers/s3.ts'
import { byteStoreContract } from './bytes.ts'

describeWith({ otherwise: s3Lacking() }, 'an object store', () =>
  byteStoreContract(
    's3',
    async () => {
      const place = s3Place()
      return { open: () => openS3Bytes({ ...place, owner: 'contract' }), remove: place.remove }
    },
    { holdsParts: false },
  ),
)
