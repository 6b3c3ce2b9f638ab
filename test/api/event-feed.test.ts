// Tests that a followed stream of events stays with its node, whatever happens to the requester meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShownEvent } from '../../agent/api/answers.ts';
import type { ApiClient } from '../../agent/api/client.ts';
import { followEvents } from '../../agent/api/event-feed.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { steadyRandom } from '../support/steady-random.ts';

const event = (subject: string, id: string): ShownEvent => ({
  specversion: '1.0',
  id,
  source: '/muster/c-1/node-0',
  type: 'org.muster.node.approved',
  subject,
  time: '2026-01-01T00:00:00.000Z',
  data: { node: subject, previous: {}, current: {} },
});
const notFound = new MusterError('not_found', 'node not found: gpu-4');

/** Follows `gpu-4` at a requester that gives these answers, and collects what happens until the answers are used up. */
async function follow(...answers: (ShownEvent[] | MusterError)[]) {
  const clock = new FakeClock();
  const asked: (string | undefined)[] = [];
  const lost: string[] = [];
  const ended = new Error('no more answers');
  const api: Pick<ApiClient, 'events'> = {
    async *events(query, { onOpen }) {
      asked.push(query.node);
      const answer = answers.shift() ?? ended;
      if (answer instanceof Error) throw answer;
      onOpen?.();
      yield* answer;
      throw new MusterError('unreachable', 'the requester stopped');
    },
  };
  const shown: string[] = [];
  const work = (async () => {
    const options = { clock, random: steadyRandom(0.5), onUnreadable: () => undefined };
    const listeners = { onLost: (error: Error) => void lost.push(error.message), onBack: () => undefined };
    for await (const { id } of followEvents(api, { node: 'gpu-4' }, { ...options, ...listeners }))
      shown.push(id);
  })().catch((error: unknown) => error);
  await clock.settle();
  await clock.advance(60_000);
  return { error: await work, asked, lost, shown, ended };
}

test('after the first event the whole id of the node is asked for, which its beginning meant', async () => {
  const { asked, shown } = await follow([event('gpu-40', 'a')], [event('gpu-40', 'a'), event('gpu-40', 'b')]);
  assert.deepEqual(asked, ['gpu-4', 'gpu-40', 'gpu-40']);
  assert.deepEqual(shown, ['a', 'b']);
});

test('a node that is unknown at first is an error; one that a lost store forgot may come back', async () => {
  const never = await follow(notFound, [event('gpu-40', 'a')]);
  assert.deepEqual([never.error, never.shown], [notFound, []]);
  const lost = await follow([event('gpu-4', 'a')], notFound, [event('gpu-4', 'b')]);
  assert.deepEqual([lost.error, lost.shown], [lost.ended, ['a', 'b']]);
  assert.deepEqual(lost.lost, ['the requester stopped', 'the requester stopped']);
});
