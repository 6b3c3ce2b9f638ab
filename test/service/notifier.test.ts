// What a service manager is told, and when: on a fake clock, each message as it would arrive.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type NotifierOptions, type RoleState, SdNotifier } from '../../agent/service/notifier.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordLog } from '../support/log-lines.ts';

function bench(
  options: Partial<NotifierOptions> = {},
  first: RoleState = { ready: false, text: 'starting' },
) {
  const clock = new FakeClock();
  const { log, lines } = recordLog();
  const sent: string[] = [];
  const made = {
    clock,
    lines,
    sent,
    state: first,
    /** What was sent since the last time, each as its lines with spaces between. */
    news: () => sent.splice(0).map(message => message.replaceAll('\n', ' ')),
    notifier: new SdNotifier({
      send: message => void sent.push(message),
      microseconds: () => BigInt(clock.monotonic()) * 1000n + 7n,
      clock,
      log,
      ...options,
    }),
  };
  made.notifier.setSource(() => made.state);
  return made;
}

describe('readiness and status', () => {
  test('READY comes once, when it is ready and not before, whatever else is told', async () => {
    const made = bench();
    assert.deepEqual(made.news(), ['STATUS=starting']);
    await made.clock.advance(60_000);
    assert.deepEqual(new Set(made.news()), new Set(['STATUS=starting']));
    const become = (ready: boolean, text: string) => {
      made.state = { ready, text };
      made.notifier.update();
      return made.news();
    };
    assert.deepEqual(become(true, 'at work'), ['READY=1 STATUS=at work']);
    assert.deepEqual(become(false, 'broker unreachable'), ['STATUS=broker unreachable']);
    assert.deepEqual(become(true, 'at work'), ['STATUS=at work']);
    await made.clock.advance(60_000);
    assert.deepEqual(new Set(made.news()), new Set(['STATUS=at work']));
  });

  test('the line is told when it changes, and again every 10 s, as it says how long ago things were', async () => {
    const made = bench();
    made.news();
    made.notifier.update();
    assert.deepEqual(made.news(), []);
    made.state = { ready: true, text: 'pending approval' };
    made.notifier.update();
    assert.deepEqual(made.news(), ['READY=1 STATUS=pending approval']);
    await made.clock.advance(9_999);
    assert.deepEqual(made.news(), []);
    await made.clock.advance(1);
    assert.deepEqual(made.news(), ['STATUS=pending approval']);
    await made.clock.advance(60_000);
    assert.equal(made.news().length, 6);
  });

  test('what changes often is told within a second, in one message', async () => {
    const made = bench({}, { ready: true, text: '0 nodes' });
    made.news();
    for (let count = 1; count <= 1000; count++) {
      made.state = { ready: true, text: `${count} nodes` };
      made.notifier.updateSoon();
    }
    assert.deepEqual(made.news(), []);
    await made.clock.advance(1_000);
    assert.deepEqual(made.news(), ['STATUS=1000 nodes']);
    made.notifier.updateSoon();
    await made.clock.advance(1_000);
    assert.deepEqual(made.news(), []);
  });

  test('no text from elsewhere becomes a message of its own, or is too long to be read', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 2000 }), fc.string({ maxLength: 2000 }));
    const hostile = fc.oneof(
      text,
      text.map(rest => `x\nMAINPID=1\r\nREADY=1\u2028${rest}`),
    );
    fc.assert(
      fc.property(hostile, hostile, (line, fault) => {
        const made = bench({}, { ready: false, text: line });
        made.notifier.reloaded(fault);
        for (const message of made.sent) {
          assert.match(message, /^STATUS=[^\p{Cc}\p{Zl}\p{Zp}]*$/u);
          assert.ok(Buffer.byteLength(message) <= 4096, String(Buffer.byteLength(message)));
        }
      }),
    );
    const longest = bench({ watchdog: 1 }, { ready: true, text: '\u{e000}\u009b'.repeat(4000) });
    longest.notifier.reloaded('\u009b'.repeat(4000));
    for (const message of longest.sent) assert.ok(Buffer.byteLength(message) <= 4096);
  });
});

describe('the watchdog', () => {
  test('is fed three times in what it allows, and not at all where nobody asks for it', async () => {
    const made = bench({ watchdog: 3_000 });
    await made.clock.advance(30_000);
    assert.equal(made.news().filter(message => message.endsWith('WATCHDOG=1')).length, 31);
    const unwatched = bench();
    await unwatched.clock.advance(30_000);
    assert.ok(!unwatched.news().join().includes('WATCHDOG'));
  });

  test('starves while something has stalled, which is said once, and is fed when it goes on', async () => {
    const made = bench({ watchdog: 3_000 });
    made.state = { ready: true, text: 'approved', stalled: 'heartbeats' };
    await made.clock.advance(1_000);
    made.news();
    await made.clock.advance(10_000);
    assert.deepEqual(new Set(made.news()), new Set(['STATUS=approved']));
    assert.deepEqual(
      made.lines.map(({ level, fields }) => [level, fields.stalled]),
      [['error', 'heartbeats']],
    );
    made.state = { ready: true, text: 'approved' };
    await made.clock.advance(1_000);
    assert.deepEqual(made.news(), ['STATUS=approved WATCHDOG=1']);
  });

  test('starves while the event loop stands still: a change that is told does not feed it', async () => {
    const made = bench({ watchdog: 3_000 });
    made.news();
    made.state = { ready: true, text: 'approved' };
    made.notifier.update();
    assert.deepEqual(made.news(), ['READY=1 STATUS=approved']);
    await made.clock.stall(60_000);
    assert.equal(made.news().length, 1);
  });
});

describe('a reload', () => {
  test('is told with the time, and its end is READY; a refused configuration is shown until a good one comes', async () => {
    const made = bench({}, { ready: true, text: 'approved' });
    made.news();
    await made.clock.advance(1_234);
    made.notifier.reloading();
    assert.deepEqual(made.news(), ['RELOADING=1 MONOTONIC_USEC=1234007']);
    made.notifier.reloaded('config.yaml:3: what is this');
    const shown =
      'STATUS=approved; the new configuration is refused, the old one stays in use: config.yaml:3: what is this';
    assert.deepEqual(made.news(), [`READY=1 ${shown}`]);
    await made.clock.advance(10_000);
    assert.deepEqual(made.news(), [shown]);
    made.notifier.reloading();
    made.notifier.reloaded();
    assert.deepEqual(made.news().slice(1), ['READY=1 STATUS=approved']);
  });

  test('before it is ready: its end must not count as the end of the start', () => {
    const made = bench();
    made.news();
    made.notifier.reloading();
    made.notifier.reloaded();
    assert.deepEqual(made.news(), []);
    made.state = { ready: true, text: 'approved' };
    made.notifier.update();
    assert.deepEqual(made.news(), ['READY=1 STATUS=approved']);
  });
});

test('stopping is the last that is told, once, and leaves no timer', async () => {
  const made = bench({ watchdog: 3_000 }, { ready: true, text: 'approved' });
  made.news();
  made.notifier.updateSoon();
  made.notifier.stopping();
  assert.deepEqual(made.news(), ['STOPPING=1 STATUS=stopping']);
  assert.equal(made.clock.pending, 0);
  made.notifier.stopping();
  made.notifier.update();
  made.notifier.updateSoon();
  made.notifier.reloading();
  made.notifier.reloaded('late');
  await made.clock.advance(60_000);
  assert.deepEqual(made.news(), []);
});

test('a service manager that cannot be told stops nothing, and is a line of the log a minute', async () => {
  const fault = Object.assign(new Error('notify /run/systemd/notify: No such file'), { code: 'ENOENT' });
  const made = bench({
    watchdog: 3_000,
    send: () => {
      throw fault;
    },
  });
  await made.clock.advance(59_000);
  assert.equal(made.lines.length, 1);
  await made.clock.advance(2_000);
  assert.equal(made.lines.length, 2);
  assert.deepEqual(made.lines[1]?.fields, { err: fault, suppressed: 59 });
});
