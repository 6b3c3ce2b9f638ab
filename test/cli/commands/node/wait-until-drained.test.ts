// Tests how the wait for drained nodes ends, and how often it asks, with a clock that the test advances.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNode, type ShownEvent, type ShownNode } from '../../../../agent/api/answers.ts';
import { waitUntilDrained } from '../../../../agent/cli/commands/node/wait-until-drained.ts';
import { sleep } from '../../../../agent/system/clock.ts';
import { MusterError } from '../../../../agent/system/errors.ts';
import { computeInfo } from '../../../requester/samples.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const at = '2026-01-01T00:00:00Z';
const later = '2026-01-01T00:01:00Z';

/** Nodes that are drained, and the wait for all of them. */
class Waiting {
  readonly clock = new FakeClock();
  /** What each node runs; undefined for one that is deleted. */
  readonly running = new Map<string, number | undefined>();
  readonly rejected = new Set<string>();
  readonly newIds = new Map<string, string>();
  readonly drained: string[] = [];
  readonly told: string[] = [];
  looks = 0;
  /** The time that a look takes, in milliseconds. */
  lookMs = 0;
  /** What is thrown in place of each answer. */
  failure: MusterError | undefined;
  readonly end: Promise<MusterError | undefined>;
  readonly #events: ShownEvent[] = [];
  #more = Promise.withResolvers<void>();

  constructor(count: number, timeoutMs?: number) {
    for (let index = 0; index < count; index++) this.running.set(`n-${index}`, 1);
    const wait = waitUntilDrained({
      ids: [...this.running.keys()],
      look: async id => {
        if (this.lookMs > 0) await sleep(this.clock, this.lookMs);
        return this.#look(id);
      },
      newIdOf: async id => this.newIds.get(id),
      events: this.#follow(),
      clock: this.clock,
      timeoutMs,
      tell: text => this.told.push(text),
      onDrained: id => this.drained.push(id),
    });
    this.end = wait.then(
      () => undefined,
      (error: MusterError) => error,
    );
  }

  /** Tells of a node, as the requester does. */
  async tell(id: string, kind: string): Promise<void> {
    this.#events.push({ type: `org.muster.node.${kind}`, time: later, subject: id } as ShownEvent);
    this.#more.resolve();
    await this.clock.settle();
  }

  #look(id: string): ShownNode {
    this.looks++;
    if (this.failure) throw this.failure;
    const running = this.running.get(id);
    if (running === undefined) {
      const longer = [...this.running.keys()].filter(each => each.startsWith(id) && each !== id);
      if (longer[0] !== undefined && longer.length === 1) return this.#look(longer[0]);
      throw new MusterError('not_found', `node not found: ${id}`);
    }
    const Drain = { At: at, ...(running === 0 ? { DrainedAt: later } : {}) };
    return readNode({
      Info: computeInfo(id),
      Membership: this.rejected.has(id) ? 'REJECTED' : 'APPROVED',
      Muster: {
        Health: 'HEALTHY',
        Executions: { Running: running, Waiting: 0, At: at },
        Cordon: { Reason: '', Actor: 'ann', At: at, Drain },
      },
    });
  }

  async *#follow(): AsyncGenerator<ShownEvent> {
    for (;;) {
      yield* this.#events.splice(0);
      await this.#more.promise;
      this.#more = Promise.withResolvers();
    }
  }
}

test('a node that is rejected or deleted meanwhile ends its part of the wait, and the others are awaited', async () => {
  const waiting = new Waiting(3);
  await waiting.clock.advance(0);
  waiting.rejected.add('n-0');
  waiting.running.set('n-1', undefined);
  await waiting.clock.advance(5_000);
  waiting.running.set('n-2', 0);
  await waiting.clock.advance(5_000);
  const error = await waiting.end;
  assert.deepEqual(waiting.drained, ['n-2']);
  assert.equal(error?.message, 'n-0 is REJECTED, so it does not report what it runs');
  assert.deepEqual(error?.details, ['n-1 is not on the roll any more: nobody knows what it runs']);
});

test('a node that is renamed meanwhile is awaited under its new id', async () => {
  const waiting = new Waiting(2);
  await waiting.clock.advance(0);
  waiting.running.set('n-0', undefined);
  waiting.running.set('gpu-7', 1);
  waiting.newIds.set('n-0', 'gpu-7');
  await waiting.clock.advance(5_000);
  assert.equal(
    waiting.told.filter(text => text === 'n-0 was renamed to gpu-7: the drain goes on there').length,
    1,
  );
  for (const id of ['gpu-7', 'n-1']) waiting.running.set(id, 0);
  await waiting.clock.advance(5_000);
  assert.equal(await waiting.end, undefined);
  assert.deepEqual(waiting.drained.sort(), ['gpu-7', 'n-1']);
});

test('another node whose id begins with that of one that is deleted is not taken for it', async () => {
  const waiting = new Waiting(1, 2_000);
  waiting.running.set('n-0', undefined);
  waiting.running.set('n-01', 1);
  await waiting.clock.advance(5_000);
  assert.match((await waiting.end)?.message ?? '', /^n-0 is not on the roll any more/);
});

test('a requester that is away ends no wait, and one that refuses ends it', async () => {
  const waiting = new Waiting(1);
  waiting.failure = new MusterError('unreachable', 'nothing answers');
  await waiting.clock.advance(60_000);
  waiting.failure = new MusterError('not_allowed', 'this needs a token');
  await waiting.clock.advance(5_000);
  assert.equal((await waiting.end)?.code, 'not_allowed');
});

test('a thousand nodes are asked about seldom, and each at once when there is news of it', async () => {
  const waiting = new Waiting(1_000);
  await waiting.clock.advance(0);
  for (let times = 0; times < 200 && waiting.looks < 1_000; times++) await waiting.clock.settle();
  for (const id of waiting.running.keys()) {
    waiting.running.set(id, 0);
    await waiting.tell(id, 'drained');
  }
  for (let times = 0; times < 200 && waiting.drained.length < 1_000; times++) await waiting.clock.settle();
  assert.equal(await waiting.end, undefined);
  assert.equal(waiting.looks, 2_000);
  assert.equal(waiting.clock.pending, 0, 'it leaves no timer behind');
});

test('of many nodes whose deadline passes the first ones are named', async () => {
  const waiting = new Waiting(25, 5_000);
  await waiting.clock.advance(10_000);
  const { message, details = [] } = (await waiting.end) ?? {};
  assert.equal(message, 'the deadline has passed, and 25 nodes are not drained');
  assert.deepEqual(
    [details.length, details[0], details.at(-1)],
    [21, 'n-0 still runs 1 execution', '… and 5 more'],
  );
});

test('without events a thousand nodes are found drained too, and the deadline holds', async () => {
  const waiting = new Waiting(1_000, 600_000);
  await waiting.clock.advance(1_000);
  for (const id of waiting.running.keys()) if (id !== 'n-7') waiting.running.set(id, 0);
  await waiting.clock.advance(120_000);
  assert.equal(waiting.drained.length, 999);
  await waiting.clock.advance(500_000);
  const error = await waiting.end;
  assert.equal(error?.message, 'the deadline has passed, and n-7 still runs 1 execution');
  assert.deepEqual(waiting.told, [
    '1000 of 1000 nodes are not drained yet, for example: n-0 still runs 1 execution',
    '1 of 1000 nodes are not drained yet, for example: n-7 still runs 1 execution',
  ]);
});

test('the deadline holds where looks at many nodes take long', async () => {
  const waiting = new Waiting(200, 30_000);
  waiting.lookMs = 1_000;
  await waiting.clock.advance(29_999);
  waiting.looks = 0;
  await waiting.clock.advance(2_001);
  assert.equal(waiting.looks, 16, 'the last round of looks begins at the deadline');
});
