import { sharedLacking } from './tests/helpers/shared-stores.ts'

const SHARED = 'PostgreSQL and S3'

const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  setupFilesAfterEnv: ['<rootDir>/tests/helpers/checked-fetch.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2024', experimental: { keepImportAttributes: true } },
        module: { type: 'es6' },
      },
    ],
  },
}

/** Suites about several servers, about what they share going away, and about what only a bucket can do. */
const ofSeveral =
  'cluster cluster-access cluster-kills cluster-webhooks database-away direct-chunks direct-servers direct-uploads ' +
  'store-away'

/** Suites about the protocol and what becomes of files; the others are about one machine: its files, backup, packages. */
const ofAny =
  'access audit cli cli-updates cli-watch content encodings events held-polls keys last-chunk lost-answers metrics ' +
  'operator protocol races resume sessions transfer updates webhooks'

const paths = (suites: string): string[] => suites.split(' ').map((name) => `<rootDir>/tests/e2e/${name}.test.ts`)

const projects = [
  {
    ...common,
    displayName: 'SQLite and disk',
    testMatch: ['<rootDir>/tests/**/*.test.ts'],
    testPathIgnorePatterns: ['/node_modules/', ...paths(ofSeveral)],
  },
  {
    ...common,
    displayName: SHARED,
    testMatch: paths(`${ofAny} ${ofSeveral}`),
    globalSetup: '<rootDir>/tests/helpers/shared-setup.js',
    globalTeardown: '<rootDir>/tests/helpers/shared-teardown.js',
    setupFiles: ['<rootDir>/tests/helpers/on-shared-stores.ts'],
  },
]

const lacks = sharedLacking()
const leftOut = lacks === undefined ? [] : [`all suites on ${SHARED} (${lacks})`]

export default {
  projects: lacks === undefined ? projects : projects.slice(0, 1),
  testTimeout: 60_000,
  reporters: ['default', ['<rootDir>/tests/helpers/closing-line-reporter.js', { leftOut }]],
}
