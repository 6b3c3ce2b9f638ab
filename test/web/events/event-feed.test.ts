// The events of a view are complete: stored ones are asked for, new ones come with the live roll, and each is told once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventFeed } from '../../../agent/web/events/event-feed.ts';
import { eventually } from '../../support/eventually.ts';

const event = (place: string, subject = 'n-1') => ({
  type: 'org.muster.node.approved',
  time: '2026-01-01T00:00:00Z',
  subject,
  cursor: place,
});
const answer = (...events: object[]) =>
  new Response(events.map(each => `${JSON.stringify(each)}\n`).join(''));

/** A feed whose answers the test gives. */
class TestedFeed {
  readonly asked: { query: string; signal: AbortSignal; give(answer: Response | Error): void }[] = [];
  readonly told: string[] = [];
  readonly faults: string[] = [];
  lost = 0;
  again: (() => void) | undefined;
  readonly feed: EventFeed;

  constructor(of: { node?: string; since?: () => Date } = {}) {
    this.feed = new EventFeed({
      ...of,
      open: (query, signal) =>
        new Promise((resolve, reject) => {
          const give = (given: Response | Error) => (given instanceof Error ? reject(given) : resolve(given));
          this.asked.push({ query: String(query), signal, give });
        }),
      onEvents: events => this.told.push(...events.map(({ cursor }) => cursor)),
      onLost: () => this.lost++,
      onFault: fault => this.faults.push(fault),
      after: (_, fn) => {
        this.again = fn;
        return () => {
          this.again = undefined;
        };
      },
    });
  }

  give(given: Response | Error): void {
    this.asked.at(-1)?.give(given);
  }

  /** Waits until this many answers were read, or could not be. */
  done(answers: number): Promise<void> {
    return eventually('the answer is read', () => this.faults.length === answers);
  }
}

test('new events wait until those that are stored have come, and each is told once', async () => {
  const tested = new TestedFeed({ since: () => new Date('2026-01-01T00:00:00Z') });
  tested.feed.start();
  tested.feed.take([event('a-2'), event('a-3')]);
  assert.deepEqual(tested.told, []);
  tested.give(answer(event('a-1'), event('a-2')));
  await tested.done(1);
  assert.deepEqual(tested.told, ['a-1', 'a-2', 'a-3']);
  tested.feed.take([event('a-3'), event('a-4'), 'no event', null]);
  assert.deepEqual(tested.told, ['a-1', 'a-2', 'a-3', 'a-4']);
  assert.equal(tested.asked[0]?.query, 'since=2026-01-01T00%3A00%3A00.000Z');
});

test('after a gap it asks for those after the last one that it has', async () => {
  const tested = new TestedFeed();
  tested.feed.start();
  tested.give(answer(event('a-1')));
  await tested.done(1);
  tested.feed.start();
  assert.equal(tested.asked[1]?.query, 'after=a-1');
  tested.feed.take([event('a-4')]);
  // Another gap is noticed before the answer has come.
  tested.feed.start();
  assert.equal(tested.asked[1]?.signal.aborted, true);
  tested.give(answer(event('a-2'), event('a-3')));
  await tested.done(2);
  assert.deepEqual(tested.told, ['a-1', 'a-2', 'a-3', 'a-4']);
  assert.deepEqual(tested.faults, ['', '']);
});

test('what is stored is asked for again until it comes, and new events wait for it', async () => {
  const tested = new TestedFeed();
  tested.feed.start();
  tested.give(Response.json({ Message: 'the requester starts' }, { status: 503 }));
  await tested.done(1);
  tested.feed.take([event('a-2')]);
  assert.deepEqual(tested.told, []);
  assert.ok(tested.again);
  tested.again();
  tested.give(answer(event('a-1')));
  await tested.done(2);
  assert.deepEqual(tested.told, ['a-1', 'a-2']);
  assert.deepEqual(tested.faults, ['the requester starts; trying again', '']);
});

test('when events after the last one are not kept any more, it begins anew', async () => {
  const tested = new TestedFeed();
  tested.feed.start();
  tested.give(answer(event('a-1')));
  await tested.done(1);
  tested.feed.start();
  tested.give(Response.json({ Message: 'not kept' }, { status: 410 }));
  await eventually('it asks for all', () => tested.asked.length === 3);
  assert.equal(tested.asked[2]?.query, '');
  tested.give(answer(event('b-1')));
  await tested.done(2);
  assert.deepEqual([tested.told, tested.lost], [['a-1', 'b-1'], 1]);
});

test('only the events of the node count, also where its id begins that of another one', async () => {
  const tested = new TestedFeed({ node: 'n-1' });
  tested.feed.start();
  assert.equal(tested.asked[0]?.query, 'node=n-1');
  tested.give(answer(event('a-1', 'n-10'), event('a-2')));
  await tested.done(1);
  tested.feed.take([event('a-3', 'n-10'), event('a-4')]);
  assert.deepEqual(tested.told, ['a-2', 'a-4']);
});

test('a new event of the node is not lost among those of others that come before the stored ones', async () => {
  const tested = new TestedFeed({ node: 'n-1' });
  tested.feed.start();
  tested.feed.take([event('a-2')]);
  tested.feed.take(Array.from({ length: 5_000 }, (_, index) => event(`a-${index + 3}`, 'n-2')));
  tested.give(answer(event('a-1')));
  await tested.done(1);
  assert.deepEqual(tested.told, ['a-1', 'a-2']);
});

for (const status of [400, 404, 409])
  test(`a node of which nothing is known (${status}) is asked for once`, async () => {
    const tested = new TestedFeed({ node: 'n' });
    tested.feed.start();
    tested.give(Response.json({ Message: 'nothing is known' }, { status }));
    await tested.done(1);
    assert.deepEqual([tested.faults, tested.told, tested.again], [[''], [], undefined]);
    tested.feed.take([event('a-1', 'n')]);
    assert.deepEqual(tested.told, ['a-1']);
  });
