// Moves streams of a broker in memory that answers too late: whatever it carries out afterwards, the store or the file has
// everything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamPart } from '../../../agent/requester/backup/backup-format.ts';
import type { Backup } from '../../../agent/requester/backup/backup-reader.ts';
import { type MoveOptions, moveStore } from '../../../agent/requester/move/move-store.ts';
import { storedStreams } from '../../../agent/requester/stored-streams.ts';
import { BrokerError, type StreamCounts } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Method = 'remove' | 'restore';

/** A broker with all streams on three servers, and what a move to one of them needs. */
function stage() {
  const clock = new FakeClock();
  const streams = new Map<string, StreamCounts>();
  const countsOn = (replicas: number): StreamCounts => ({
    messages: 5,
    firstSequence: 1,
    lastSequence: 5,
    lastAt: undefined,
    replicas,
    created: '',
    isShut: false,
  });
  for (const name of storedStreams) streams.set(name, countsOn(3));
  let late: (() => void)[] = [];
  let hasCopy = false;
  /** Called before a request. It returns true for one that is not answered, and that is carried out later if `fn` is kept. */
  const fault: { on?: (method: Method, name: string, fn: () => void) => boolean } = {};
  const request = async (method: Method, name: string, fn: () => void) => {
    if (fault.on?.(method, name, fn)) throw new BrokerError('timeout', 'no answer');
    // A broker carries out what came before.
    if (method === 'remove') for (const each of late.splice(0)) each();
    fn();
  };
  const parts = storedStreams.map(
    (name): StreamPart => ({
      kind: 'stream',
      name,
      bytes: 0,
      sha256: '',
      messages: 5,
      lastSequence: 5,
      config: { num_replicas: 3 },
      state: {},
    }),
  );
  const options: MoveOptions = {
    clock,
    to: 1,
    find: async () => storedStreams.map(name => ({ name, counts: streams.get(name) })),
    copies: {
      counts: async name => streams.get(name),
      snapshot: () => assert.fail(),
      restore: async ({ stream, config }) => {
        await request('restore', stream, () => streams.set(stream, countsOn(Number(config.num_replicas))));
        return countsOn(Number(config.num_replicas));
      },
      remove: name => request('remove', name, () => streams.delete(name)),
      shut: async () => undefined,
      removeMessage: () => assert.fail(),
    },
    storage: {
      reopen: async () => true,
      replicas: async stream => {
        // While the move waits for the servers, the broker comes to what it has not carried out.
        for (const each of late.splice(0)) each();
        return { stream, replicas: 1, servers: 3, leader: 's1', others: [] };
      },
    },
    freeze: async () => ({
      assertHolds: () => undefined,
      confirm: async () => undefined,
      end: async () => undefined,
      abandon: () => undefined,
      ageMs: 0,
    }),
    copy: async () => {
      hasCopy = true;
      return { streams: () => parts, read: () => [], close: async () => undefined } as unknown as Backup;
    },
    removeCopy: async () => {
      hasCopy = false;
    },
    note: async () => undefined,
    onStep: () => undefined,
  };
  /** Moves the store to one server while time passes, and returns its error. */
  const move = async (): Promise<unknown> => {
    let outcome: { error: unknown } | undefined;
    void moveStore(options).then(
      () => (outcome = { error: undefined }),
      error => (outcome = { error }),
    );
    for (let second = 0; second < 200 && !outcome; second++) await clock.advance(1_000);
    assert.ok(outcome, 'the move never ended');
    for (const each of late.splice(0)) each();
    return outcome.error;
  };
  const keepLate = (fn: () => void) => {
    late = [...late, fn];
  };
  const replicas = () => storedStreams.map(name => streams.get(name)?.replicas);
  return { fault, move, keepLate, replicas, hasCopy: () => hasCopy };
}

test('a removal that is not answered and carried out late takes no stream away', async () => {
  for (const name of storedStreams) {
    const { fault, move, keepLate, replicas, hasCopy } = stage();
    let isFirst = true;
    fault.on = (method, stream, fn) => {
      if (method !== 'remove' || stream !== name || !isFirst) return false;
      isFirst = false;
      keepLate(fn);
      return true;
    };
    assert.equal(await move(), undefined);
    assert.deepEqual([...replicas(), hasCopy()], [1, 1, 1, false]);
  }
});

test('a stream that the servers lose after it was made is made again from the file', async () => {
  for (const name of storedStreams) {
    const { fault, move, keepLate, replicas, hasCopy } = stage();
    let removal: (() => void) | undefined;
    fault.on = (method, stream, fn) => {
      if (stream !== name) return false;
      if (method === 'remove') removal = fn;
      else if (removal) keepLate(removal);
      if (method === 'restore') removal = undefined;
      return false;
    };
    assert.equal(await move(), undefined);
    assert.deepEqual([...replicas(), hasCopy()], [1, 1, 1, false]);
  }
});

test('a way back believes in no stream whose removal was not answered', async () => {
  for (const name of storedStreams) {
    const { fault, move, keepLate, replicas, hasCopy } = stage();
    let unanswered = 0;
    fault.on = (method, stream, fn) => {
      // It is not answered for as long as the move tries it, and then for a moment.
      if (method !== 'remove' || stream !== name || ++unanswered > 65) return false;
      keepLate(fn);
      return true;
    };
    assert.ok((await move()) instanceof BrokerError);
    assert.equal(hasCopy() || replicas().every(count => count !== undefined), true, replicas().join());
  }
});
