/** After the last test file of those that run on PostgreSQL and S3. */
export { endForAll as default } from './shared-stores.ts'
