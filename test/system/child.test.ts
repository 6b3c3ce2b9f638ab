// Children end: by themselves, at their deadline, when they say too much, when they are not wanted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChild } from '../../agent/system/child.ts';
import { FakeClock } from '../support/fake-clock.ts';

const sh = (body: string, options: Partial<Parameters<typeof startChild>[2]> = {}) =>
  startChild('/bin/sh', ['-c', body], { deadline: 60_000, limit: 1000, ...options });

test('what it said and how it ended', async () => {
  assert.deepEqual(await sh('echo out; echo err >&2; exit 4').outcome, {
    kind: 'ended',
    status: 4,
    killer: null,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  const killed = await sh('kill -SEGV $$').outcome;
  assert.deepEqual(killed.kind === 'ended' && [killed.status, killed.killer], [null, 'SIGSEGV']);
});

test('it runs at the root of the file system, so that it keeps no other one busy', async () => {
  const outcome = await sh('pwd').outcome;
  assert.equal(outcome.kind === 'ended' && outcome.stdout, '/\n');
});

test('exactly as much as is allowed is not too much', async () => {
  const outcome = await sh('printf %01000d 0', { limit: 1000 }).outcome;
  assert.equal(outcome.kind === 'ended' && outcome.stdout.length, 1000);
  assert.equal((await sh('printf %01001d 0', { limit: 1000 }).outcome).kind, 'too_long');
});

test('after the deadline the outcome is there, and later the process is gone', async () => {
  const clock = new FakeClock();
  const child = sh('while :; do sleep 1; done', { clock, deadline: 500 });
  await clock.advance(500);
  assert.equal((await child.outcome).kind, 'late');
  await child.gone;
});

test('a program that is not there was not started, and is gone', async () => {
  const child = startChild('/nonexistent/tool', [], { deadline: 1000, limit: 1000 });
  assert.equal((await child.outcome).kind, 'not_started');
  await child.gone;
});

test('arguments that no process can have are refused, not thrown', async () => {
  const child = startChild('/bin/true', ['a\0b'], { deadline: 1000, limit: 1000 });
  assert.equal((await child.outcome).kind, 'not_started');
  await child.gone;
});

test('one that is not wanted is not started', async () => {
  const child = sh('exit', { signal: AbortSignal.abort() });
  assert.equal((await child.outcome).kind, 'stopped');
  await child.gone;
});
