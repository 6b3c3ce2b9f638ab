// Judges servers that answer, hang, lose their disk or stop storing, with times that the tests choose.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DiskState, ServerHealth, watchTimesMs } from '../../agent/broker/server-health.ts';

const { beat, silent, failing, firstPause, longestPause } = watchTimesMs;

/** A server under watch, for which time passes beat by beat. */
class Watched {
  readonly health = new ServerHealth(watchTimesMs, '/data/store');
  readonly restarts: { at: number; how: string; problem: string | undefined }[] = [];
  now = 1_000;

  constructor() {
    this.health.begin(this.now);
  }

  /** Lets `ms` pass. At each beat the server does what `act` does. */
  pass(ms: number, act: (health: ServerHealth, now: number) => void = () => undefined): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += beat;
      if (!this.health.beat(this.now)) continue;
      act(this.health, this.now);
      const { problem, restart } = this.health.verdict(this.now);
      if (!restart) continue;
      this.restarts.push({ at: this.now, how: restart, problem });
      this.health.onRestart(this.now);
      this.health.begin(this.now);
    }
  }

  /** Lets `ms` pass without a beat, as when this process is suspended. */
  stand(ms: number): void {
    this.now += ms;
  }

  get problem(): string | undefined {
    return this.health.verdict(this.now).problem;
  }
}

const answering = (health: ServerHealth, now: number) => health.onAnswer(now);
const refusing = (text: string, disk: DiskState) => (health: ServerHealth, now: number) => {
  health.onAnswer(now);
  health.onStoreFailure(now, text);
  health.onDisk(now, disk);
};

test('a server that answers has no problem', () => {
  const server = new Watched();
  server.pass(3_600_000, (health, now) => {
    health.onAnswer(now);
    health.onStored();
  });
  assert.deepEqual([server.problem, server.restarts], [undefined, []]);
});

test('a server that does not answer has a problem after two beats, and started again after 12 s', () => {
  const server = new Watched();
  server.pass(9_000);
  assert.deepEqual([server.problem, server.restarts.length], ['the broker does not answer', 0]);
  server.pass(beat);
  assert.deepEqual(server.restarts, [
    { at: 13_000, how: 'hanging', problem: 'the broker has not answered for 12 s' },
  ]);
  assert.equal(server.problem, undefined);
});

test('a server that is slow is not started again', () => {
  const server = new Watched();
  let beats = 0;
  server.pass(3_600_000, (health, now) => {
    // Only every third ping is answered in time.
    if (++beats % 3 === 0) health.onAnswer(now);
  });
  assert.deepEqual(server.restarts, []);
});

test('the time in which this process stood still is not held against the server', () => {
  const server = new Watched();
  for (let pause = 0; pause < 100; pause++) {
    server.pass(9_000);
    server.stand(60_000);
  }
  assert.deepEqual(server.restarts, []);
  // A process that always runs late doubts itself, not the server.
  for (let late = 0; late < 100; late++) {
    server.stand(beat + 1);
    server.pass(beat);
  }
  assert.deepEqual(server.restarts, []);
});

test('a server whose store takes no writes, although the disk does, is started again after 10 s', () => {
  const server = new Watched();
  server.pass(9_000, refusing('insufficient resources (10023)', { kind: 'writable' }));
  assert.equal(server.restarts.length, 0);
  assert.equal(server.problem, "the broker's store takes no writes: insufficient resources (10023)");
  server.pass(2 * beat, refusing('insufficient resources (10023)', { kind: 'writable' }));
  assert.deepEqual(
    server.restarts.map(({ how }) => how),
    ['failing'],
  );
});

const unwritable: [title: string, DiskState, string][] = [
  ['is full', { kind: 'full' }, "the broker's store has no space left on /data/store"],
  ['hangs', { kind: 'hangs' }, "the disk of the broker's store does not answer: /data/store"],
  [
    'is read-only',
    { kind: 'broken', reason: 'read-only file system' },
    "the broker's store /data/store cannot be written: read-only file system",
  ],
];
for (const [title, disk, problem] of unwritable) {
  test(`a server whose disk ${title} is never started again, and the problem names the disk`, () => {
    const server = new Watched();
    server.pass(86_400_000, refusing('no space left on device', disk));
    assert.deepEqual([server.problem, server.restarts], [problem, []]);
  });
}

test('after the disk has space again, the store has 10 s to take writes before the server is started again', () => {
  const server = new Watched();
  server.pass(3_600_000, refusing('no space left on device', { kind: 'full' }));
  const freed = server.now;
  server.pass(60_000, refusing('insufficient resources (10023)', { kind: 'writable' }));
  const [first] = server.restarts;
  assert.equal(server.restarts.length, 1);
  assert.ok(first && first.at - freed >= failing && first.at - freed <= failing + 2 * beat);
  // The other server stored before that.
  const other = new Watched();
  other.pass(3_600_000, refusing('no space left on device', { kind: 'full' }));
  other.pass(60_000, (health, now) => {
    health.onAnswer(now);
    health.onStored();
  });
  assert.deepEqual([other.problem, other.restarts], [undefined, []]);
});

test('restarts that do not help have growing pauses between them, and the problem says that one waits', () => {
  const server = new Watched();
  server.pass(4 * 3_600_000);
  const pauses = server.restarts.slice(1).map(({ at }, i) => at - (server.restarts[i]?.at ?? 0));
  assert.deepEqual(
    pauses.slice(0, 7),
    [60, 120, 240, 480, 960, 1_800, 1_800].map(s => s * 1_000),
  );
  const waits = 'it was started again less than 30 min ago, so the next restart waits';
  assert.equal(server.problem, `the broker has not answered for 12 s; ${waits}`);
});

test('after a long time without a restart the pauses begin anew', () => {
  const server = new Watched();
  server.pass(3_600_000);
  server.pass(3 * longestPause, answering);
  const before = server.restarts.length;
  server.pass(firstPause + silent);
  assert.equal(server.restarts.length - before, 2);
});

test('whatever happens, restarts keep their pauses, and nobody is started again who answered and stored', () => {
  const act = fc.constantFrom('well', 'silent', 'refusing', 'full', 'late');
  fc.assert(
    fc.property(fc.array(fc.tuple(act, fc.integer({ min: 1, max: 40 })), { maxLength: 60 }), spans => {
      const server = new Watched();
      for (const [what, beats] of spans) {
        const before = server.restarts.length;
        if (what === 'late') server.stand(beats * beat);
        else {
          server.pass(beats * beat, (health, now) => {
            if (what !== 'silent') health.onAnswer(now);
            if (what === 'well') health.onStored();
            if (what === 'refusing') refusing('no', { kind: 'writable' })(health, now);
            if (what === 'full') refusing('no', { kind: 'full' })(health, now);
          });
        }
        if (what === 'well' || what === 'full') assert.equal(server.restarts.length, before, what);
      }
      for (const [i, { at }] of server.restarts.slice(1).entries())
        assert.ok(at - (server.restarts[i]?.at ?? 0) >= firstPause);
    }),
  );
});
