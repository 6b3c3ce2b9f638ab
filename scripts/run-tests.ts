// Runs test files for scripts/test, each in a process of its own, and first those that take longest. Node's own runner takes
// them by name; then one long file that comes last runs alone while the other processors wait.
import { createWriteStream } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';
import { parseArgs } from 'node:util';

/**
 * The files that take more than a quarter of a minute on two processors, the longest first. A file that is missing here only
 * runs later than it could.
 */
const longest = [
  'test/e2e/packaged-arm64.test.ts',
  'test/e2e/systemd.test.ts',
  'test/e2e/cluster-faults.test.ts',
  'test/e2e/secrets.test.ts',
  'test/e2e/deb.test.ts',
  'test/e2e/campaign.test.ts',
  'test/e2e/hung-files.test.ts',
  'test/e2e/journal.test.ts',
  'test/e2e/keys.test.ts',
  'test/e2e/authorities.test.ts',
  'test/e2e/killed-writes.test.ts',
  'test/e2e/killed-requester-writes.test.ts',
  'test/e2e/older-store.test.ts',
  'test/e2e/backup.test.ts',
  'test/e2e/backup-own-nats.test.ts',
  'test/e2e/rotate-key.test.ts',
  'test/e2e/agent-faults.test.ts',
  'test/e2e/dev.test.ts',
  'test/e2e/explain.test.ts',
  'test/e2e/two-requesters.test.ts',
  'test/e2e/doctor.test.ts',
  'test/e2e/output.test.ts',
  'test/e2e/service.test.ts',
  'test/e2e/listeners.test.ts',
  'test/e2e/monitoring.test.ts',
  'test/e2e/own-nats.test.ts',
  'test/e2e/own-nats-cluster.test.ts',
  'test/e2e/three-servers.test.ts',
  'test/e2e/store-moves.test.ts',
  'test/e2e/store-gaps.test.ts',
  'test/e2e/partition.test.ts',
  'test/e2e/restore-beside.test.ts',
  'test/e2e/restore-service.test.ts',
  'test/e2e/bacalhau-store.test.ts',
  'test/e2e/bacalhau-orchestrators.test.ts',
  'test/e2e/bacalhau-nodes.test.ts',
  'test/e2e/join-codes.test.ts',
  'test/e2e/rolling-upgrade.test.ts',
  'test/e2e/rename.test.ts',
  'test/e2e/rename-faults.test.ts',
  'test/e2e/tending.test.ts',
  'test/e2e/cordon.test.ts',
  'test/e2e/forgetting.test.ts',
  'test/e2e/page-cluster.test.ts',
  'test/e2e/page-faults.test.ts',
  'test/e2e/page-many.test.ts',
  'test/e2e/page-tabs.test.ts',
  'test/e2e/page-views.test.ts',
  'test/e2e/page-walk.test.ts',
  'test/e2e/conditions.test.ts',
  'test/e2e/strangers.test.ts',
  'test/fuzz/decoders.test.ts',
  'test/e2e/settings.test.ts',
  'test/e2e/docs.test.ts',
  'test/compute/one-day.test.ts',
  'test/native/one-day.test.ts',
  'test/config/schema.test.ts',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Number of files that run at the same time. */
    concurrency: { type: 'string', default: '1' },
    /** Time that each file may take, in milliseconds. */
    timeout: { type: 'string', default: '480000' },
    /** The file for the results in the form TAP. */
    tap: { type: 'string' },
    /** A regular expression that the names of the tests match. */
    pattern: { type: 'string' },
    /** A module that each test file loads before the tests. */
    import: { type: 'string' },
  },
});

const rank = (file: string): number => {
  const index = longest.indexOf(relative('.', file));
  return index < 0 ? longest.length : index;
};
const modules = ['./test/support/file-limits.ts', ...(values.import === undefined ? [] : [values.import])];
const results = run({
  files: positionals.sort((a, b) => rank(a) - rank(b)),
  concurrency: Number(values.concurrency),
  ...(values.pattern === undefined ? {} : { testNamePatterns: [new RegExp(values.pattern)] }),
  env: { ...process.env, TEST_FILE_MS: values.timeout },
  execArgv: modules.map(module => `--import=${module}`),
});
results.on('test:fail', () => {
  process.exitCode = 1;
});
results.compose(spec).pipe(process.stdout);
if (values.tap !== undefined) results.compose(tap).pipe(createWriteStream(values.tap));
