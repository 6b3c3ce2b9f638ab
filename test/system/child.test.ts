// Tests that a child process ends: by itself, at its time limit, at its output limit, and when it is stopped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChild } from '../../agent/system/child.ts';
import { FakeClock } from '../support/fake-clock.ts';

const sh = (body: string, options: Partial<Parameters<typeof startChild>[2]> = {}) =>
  startChild('/bin/sh', ['-c', body], { timeoutMs: 60_000, outputLimitBytes: 1000, ...options });

test('the outcome has the output and the exit status, or the signal that killed the child', async () => {
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

test('a child runs in the folder /, so that it keeps no other file system in use', async () => {
  const outcome = await sh('pwd').outcome;
  assert.equal(outcome.kind === 'ended' && outcome.stdout, '/\n');
});

test('output of exactly the allowed size is accepted, and one byte more is not', async () => {
  const outcome = await sh('printf %01000d 0', { outputLimitBytes: 1000 }).outcome;
  assert.equal(outcome.kind === 'ended' && outcome.stdout.length, 1000);
  assert.equal((await sh('printf %01001d 0', { outputLimitBytes: 1000 }).outcome).kind, 'too_long');
});

test('a child that exceeds its time limit has the outcome `late`, and its process is gone afterwards', async () => {
  const clock = new FakeClock();
  const child = sh('while :; do sleep 1; done', { clock, timeoutMs: 500 });
  await clock.advance(500);
  assert.equal((await child.outcome).kind, 'late');
  await child.gone;
});

test('a program that does not exist has the outcome not_started, and counts as gone', async () => {
  const child = startChild('/nonexistent/tool', [], { timeoutMs: 1000, outputLimitBytes: 1000 });
  assert.equal((await child.outcome).kind, 'not_started');
  await child.gone;
});

test('impossible arguments give the outcome not_started and throw nothing', async () => {
  const child = startChild('/bin/true', ['a\0b'], { timeoutMs: 1000, outputLimitBytes: 1000 });
  assert.equal((await child.outcome).kind, 'not_started');
  await child.gone;
});

test('no child is started after its signal has aborted', async () => {
  const child = sh('exit', { signal: AbortSignal.abort() });
  assert.equal((await child.outcome).kind, 'stopped');
  await child.gone;
});
