// What `muster agent rotate-key` says of the exchange of a key.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilDone } from '../../../../agent/cli/commands/agent/rotate-key.ts';
import type { RotationProgress } from '../../../../agent/compute/registration/key-rotation.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** Waits for the end of an exchange whose further answers are `later`; the last one stays. */
async function wait(...later: (RotationProgress | undefined)[]): Promise<unknown> {
  const clock = new FakeClock();
  const ask = async () => (later.length > 1 ? later.shift() : later[0]);
  let result: unknown;
  untilDone({ kind: 'asking' }, ask, clock).then(
    done => {
      result = done;
    },
    error => {
      result = error;
    },
  );
  await clock.advance(60_000);
  return result;
}

const done = { kind: 'done', before: 'A', fingerprint: 'B' } as const;

test('it waits until the agent has the new key', async () => {
  assert.deepEqual(await wait({ kind: 'asking' }, { kind: 'asking' }, done), done);
});

test('it says why the requester refuses, and that the outcome is open when nobody answers', async () => {
  assert.match(
    String(await wait({ kind: 'refused', reason: 'banned\u001b[2J' })),
    /refuses the new key: banned/,
  );
  assert.match(
    String(await wait({ kind: 'asking' })),
    /may be exchanged or not: the requester has not answered yet/,
  );
  assert.match(String(await wait({ kind: 'none' })), /may be exchanged or not: the agent was stopped/);
  assert.match(String(await wait(undefined)), /may be exchanged or not: the agent was stopped/);
});
