// Runs before each test file of those that run on PostgreSQL and S3: what stack.ts goes by.
process.env['BACKHAUL_STORES'] = 'shared'
