import project from '../package.json' with { type: 'json' }

/** What `--version` says, and the other end is told. */
export const { version } = project
