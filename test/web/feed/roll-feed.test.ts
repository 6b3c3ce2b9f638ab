// The live roll is asked for again for as long as the page is open, except where its reader is not let in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FeedState, NoPlace, RollFeed } from '../../../agent/web/feed/roll-feed.ts';
import { eventually } from '../../support/eventually.ts';

interface Delay {
  delayMs: number;
  fn(): void;
}

/** A feed whose answers and times the test gives. */
class TestedFeed {
  readonly states: FeedState[] = [];
  readonly events: [name: string, data: unknown][] = [];
  readonly asked: AbortSignal[] = [];
  readonly delays = new Set<Delay>();
  answers: (Response | Error)[] = [];
  /** How many events had come whenever the feed let other tasks be done. */
  readonly pauses: number[] = [];
  readonly feed = new RollFeed({
    open: async signal => {
      this.asked.push(signal);
      const answer = this.answers.shift() ?? new Error('nobody answers');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onEvent: (name, data) => this.events.push([name, data]),
    onState: state => this.states.push(state),
    after: (delayMs, fn) => {
      const delay = { delayMs, fn };
      this.delays.add(delay);
      return () => this.delays.delete(delay);
    },
    nextTask: async () => {
      this.pauses.push(this.events.length);
    },
  });

  async state(kind: FeedState['kind']): Promise<FeedState | undefined> {
    await eventually(`the feed is ${kind}`, () => this.states.at(-1)?.kind === kind);
    return this.states.at(-1);
  }

  /** Waits until the feed was lost this many times. */
  lost(times: number): Promise<void> {
    const count = () => this.states.filter(({ kind }) => kind === 'lost').length;
    return eventually(`the feed is lost for time ${times}`, () => count() === times);
  }

  /** Lets the time of the only delay be over. Returns it in milliseconds. */
  passDelay(): number {
    const [delay, ...others] = this.delays;
    assert.ok(delay && others.length === 0);
    this.delays.delete(delay);
    delay.fn();
    return delay.delayMs;
  }
}

const roll = 'event: roll\ndata: {"nodes":0}\n\nevent: ready\ndata: {"nodes":0}\n\n';

/** An answer that goes on until `end` is called. */
function openAnswer(text: string): { answer: Response; end(): void } {
  let end = () => {};
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      end = () => controller.close();
    },
  });
  return { answer: new Response(body), end: () => end() };
}

test('it is live when the whole roll has come, and lost when the answer ends', async () => {
  const tested = new TestedFeed();
  const { answer, end } = openAnswer(roll);
  tested.answers = [answer];
  tested.feed.start();
  await tested.state('live');
  assert.deepEqual(
    tested.events.map(([name]) => name),
    ['roll', 'ready'],
  );
  end();
  await tested.state('lost');
  tested.feed.stop();
});

test('it lets other tasks be done between the parts of a roll, although all have come', async () => {
  const tested = new TestedFeed();
  const parts = [roll, ...['a', 'b', 'c'].map(id => `event: gone\ndata: ["${id}"]\n\n`)];
  const body = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  tested.answers = [new Response(body)];
  tested.feed.start();
  await tested.state('lost');
  assert.deepEqual(tested.pauses, [2, 3, 4, 5]);
  tested.feed.stop();
});

test('it asks again, each time later up to a limit, and at once after it was live', async () => {
  const tested = new TestedFeed();
  tested.feed.start();
  const delays: number[] = [];
  for (let tries = 1; tries <= 7; tries++) {
    await tested.lost(tries);
    delays.push(tested.passDelay());
  }
  assert.ok(
    (delays[0] ?? 0) < 700 && Math.max(...delays) <= 10_000 && (delays[6] ?? 0) >= 6000,
    String(delays),
  );
  const { answer, end } = openAnswer(roll);
  tested.answers = [new Error('away'), answer];
  await tested.lost(8);
  tested.passDelay();
  await tested.lost(9);
  tested.passDelay();
  await tested.state('live');
  end();
  await tested.state('lost');
  assert.ok(tested.passDelay() < 700);
  tested.feed.stop();
});

test('a reader who is not let in is told why, and nothing is tried again', async () => {
  const tested = new TestedFeed();
  tested.answers = [Response.json({ Message: 'this read needs a token', Hint: 'make one' }, { status: 401 })];
  tested.feed.start();
  assert.deepEqual(await tested.state('refused'), {
    kind: 'refused',
    reason: 'this read needs a token',
    hint: 'make one',
  });
  assert.equal(tested.delays.size, 0);
  // After a sign-in it begins again.
  tested.feed.start();
  assert.equal(tested.asked.length, 2);
  tested.feed.stop();
});

test('a requester that starts is asked again', async () => {
  const tested = new TestedFeed();
  tested.answers = [Response.json({ Message: 'the requester starts' }, { status: 503 })];
  tested.feed.start();
  assert.deepEqual(await tested.state('lost'), { kind: 'lost', reason: 'the requester starts' });
  assert.equal(tested.delays.size, 1);
  tested.feed.stop();
});

test('a stream of which nothing is heard is given up', async () => {
  const tested = new TestedFeed();
  const { answer } = openAnswer(roll);
  tested.answers = [answer];
  tested.feed.start();
  await tested.state('live');
  tested.passDelay();
  assert.equal(tested.asked[0]?.aborted, true);
  tested.feed.stop();
});

test('another start ends the answer that is read, and nothing of it counts any more', async () => {
  const tested = new TestedFeed();
  const first = openAnswer(roll);
  const second = openAnswer(roll);
  tested.answers = [first.answer, second.answer];
  tested.feed.start();
  await tested.state('live');
  tested.feed.start();
  assert.equal(tested.asked[0]?.aborted, true);
  await tested.state('live');
  first.end();
  assert.deepEqual(
    tested.states.map(({ kind }) => kind),
    ['connecting', 'live', 'connecting', 'live'],
  );
  tested.feed.stop();
});

test('while other windows have all places, it looks again soon, and says so once', async () => {
  const tested = new TestedFeed();
  const { answer } = openAnswer(roll);
  tested.answers = [new NoPlace(), new NoPlace(), new NoPlace(), answer];
  tested.feed.start();
  for (let tries = 1; tries <= 3; tries++) {
    await eventually(
      'it waits',
      () => tested.states.filter(({ kind }) => kind === 'crowded').length === tries,
    );
    assert.ok(tested.passDelay() < 2_000);
  }
  await tested.state('live');
  assert.deepEqual(
    tested.states.map(({ kind }) => kind),
    ['connecting', 'crowded', 'crowded', 'crowded', 'live'],
  );
  tested.feed.stop();
});

test('it hurries only while it waits', async () => {
  const tested = new TestedFeed();
  tested.feed.start();
  tested.feed.hurry();
  assert.equal(tested.asked.length, 1);
  await tested.state('lost');
  tested.feed.hurry();
  assert.equal(tested.asked.length, 2);
  tested.feed.stop();
});

test('no text of a node turns around what stands beside it', async () => {
  const feed = new TestedFeed();
  const row = JSON.stringify([{ id: 'n-1', host: 'a\u202eb\u2066c' }]);
  feed.answers = [new Response(`event: nodes\ndata: ${row}\n\n`)];
  feed.feed.start();
  await feed.lost(1);
  assert.deepEqual(feed.events, [['nodes', [{ id: 'n-1', host: 'a\ufffdb\ufffdc' }]]]);
});
