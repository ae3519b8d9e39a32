const END_WITHIN_MS = 5_000

/** Says aloud what was left out, and ends with one plain line that people and CI can read. */
export default class ClosingLineReporter {
  /** @param {{ leftOut: string[] }} options what no test file was even looked at for, and why */
  constructor(_config, { leftOut }) {
    this.leftOut = leftOut
  }

  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap((file) => file.testResults.filter((test) => test.status === 'pending'))
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
    // At the exit: jest prints its own summary after the reporters.
    process.once('exit', () => {
      const names = [...this.leftOut, ...skipped.map((test) => test.fullName)]
      for (const name of names) process.stdout.write(`left out: ${name}\n`)
      process.stdout.write(`${results.numPassedTests} passed, ${failed} failed, ${results.numPendingTests} skipped\n`)
      // All is done. Left to itself, Node 24 sometimes spins for ever over handles that it clears up after this event.
      process.exit(results.success ? process.exitCode : 1)
    })
    // A test that failed may leave processes behind, which would keep this one for ever.
    setTimeout(() => process.exit(results.success ? 0 : 1), END_WITHIN_MS).unref()
  }
}
