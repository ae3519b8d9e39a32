/** Before the first test file of those that run on PostgreSQL and S3. */
export { startForAll as default } from './shared-stores.ts'
