// Tests that one test file cannot hold up the whole run.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../scripts/packaging/checkout.ts';
import { newFolder } from '../support/temporary.ts';

test('a file that does not end is ended, counts as failed, and the next ones run', async () => {
  const folder = await newFolder();
  const endless = join(folder, 'a-endless.test.ts');
  const next = join(folder, 'b-next.test.ts');
  await writeFile(
    endless,
    `import { test } from 'node:test'; test('passes', () => void setInterval(() => {}, 1e6));`,
  );
  await writeFile(next, `import { test } from 'node:test'; test('the next one', () => {});`);
  const ended = await new Promise<{ code: unknown; stdout: string }>(resolve => {
    const args = ['scripts/run-tests.ts', '--timeout=500', endless, next];
    // As a test of another runner, this run would hand its results to that one.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    execFile(process.execPath, args, { cwd: checkout, env }, (error, stdout) =>
      resolve({ code: error?.code, stdout }),
    );
  });
  assert.equal(ended.code, 1);
  assert.match(ended.stdout, /a-endless\.test\.ts: it takes more than 0\.5 s; it is held by: .*Timeout/);
  assert.match(ended.stdout, /✔ the next one/);
});
