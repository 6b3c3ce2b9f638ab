// Ends a test file that takes too long, or that does not end after its last test, such as when a failed test left a process
// running. scripts/run-tests.ts loads it before each test file, because the time limit of Node's runner is only for tests.
import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

/** Time that the clean-up and open handles may take after the last test, in milliseconds. */
const endMs = 60_000;

// Programs that a test forks and threads that it starts load this too, because they get the options of its process.
if (isMainThread && process.argv[1]?.endsWith('.test.ts')) {
  const fileMs = Number(process.env.TEST_FILE_MS);
  endIn(fileMs, `it takes more than ${fileMs / 1_000} s`);
  after(() => endIn(endMs, `its tests have ended, and it goes on for ${endMs / 1_000} s`));
}

// The exit also ends the programs that the tests left (see program.ts).
function endIn(limitMs: number, reason: string): void {
  const end = () => {
    const held = process.getActiveResourcesInfo().join(', ');
    process.stderr.write(`${process.argv[1]}: ${reason}; it is held by: ${held}\n`, () => process.exit(1));
  };
  setTimeout(end, limitMs).unref();
}
