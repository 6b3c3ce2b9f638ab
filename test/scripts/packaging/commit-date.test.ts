// A release has the date of its commit.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { commitDate } from '../../../scripts/packaging/commit-date.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';

test('the date in SOURCE_DATE_EPOCH is used', async () => {
  assert.equal((await commitDate('1700000000')).toISOString(), '2023-11-14T22:13:20.000Z');
  for (const wrong of ['yesterday', '-1', '1.5', '123456789012'])
    await assert.rejects(commitDate(wrong), {
      code: 'usage',
      message: new RegExp(`^SOURCE_DATE_EPOCH is ${wrong},`),
    });
});

test('without it, the date of the last commit is used, and an error says when there is none', async t => {
  const git = await findProgram('git').catch(() => undefined);
  if (!git) return t.skip('git is not on PATH');
  const folder = await newFolder();
  const run = (...args: string[]) =>
    promisify(execFile)(git, ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      env: { ...process.env, GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z', GIT_CEILING_DIRECTORIES: folder },
    });
  await assert.rejects(commitDate('', folder), { code: 'failed', hint: /set SOURCE_DATE_EPOCH/ });
  await run('init', '--quiet');
  await assert.rejects(commitDate('', folder), { code: 'failed' });
  await run('commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message=first');
  assert.equal((await commitDate('', folder)).toISOString(), '2026-01-02T03:04:05.000Z');
});
