// Checks which messages a service manager gets, and when, with a fake clock.
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
    /** Returns the messages since the last call, each with its lines joined by spaces. */
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
  test('READY is sent once, when the role is ready and not before', async () => {
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

  test('the status line is sent when it changes, and every 10 s because it says how long ago things happened', async () => {
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

  test('a state that changes often is sent within a second, in one message', async () => {
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

  test('text from elsewhere can neither become a message of its own nor make a message too long', () => {
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
    const longest = bench({ watchdogMs: 1 }, { ready: true, text: '\u{e000}\u009b'.repeat(4000) });
    longest.notifier.reloaded('\u009b'.repeat(4000));
    for (const message of longest.sent) assert.ok(Buffer.byteLength(message) <= 4096);
  });
});

describe('the watchdog', () => {
  test('is fed three times in its interval, and not at all when nobody asked for it', async () => {
    const made = bench({ watchdogMs: 3_000 });
    await made.clock.advance(30_000);
    assert.equal(made.news().filter(message => message.endsWith('WATCHDOG=1')).length, 31);
    const unwatched = bench();
    await unwatched.clock.advance(30_000);
    assert.ok(!unwatched.news().join().includes('WATCHDOG'));
  });

  test('is not fed while the role has stalled, which is logged once, and is fed again when the role goes on', async () => {
    const made = bench({ watchdogMs: 3_000 });
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

  test('is not fed by an update, so that an event loop that hangs is noticed', async () => {
    const made = bench({ watchdogMs: 3_000 });
    made.news();
    made.state = { ready: true, text: 'approved' };
    made.notifier.update();
    assert.deepEqual(made.news(), ['READY=1 STATUS=approved']);
    await made.clock.stall(60_000);
    assert.equal(made.news().length, 1);
  });
});

describe('a reload', () => {
  test('is announced with the time and ends with READY; a refused configuration is shown until a valid one is read', async () => {
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

  test('is not announced before the role is ready, because its end would count as the end of the start', () => {
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

test('STOPPING is the last message, comes once, and leaves no timer', async () => {
  const made = bench({ watchdogMs: 3_000 }, { ready: true, text: 'approved' });
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

test('a service manager that cannot be reached stops nothing, and is logged once a minute', async () => {
  const fault = Object.assign(new Error('notify /run/systemd/notify: No such file'), { code: 'ENOENT' });
  const made = bench({
    watchdogMs: 3_000,
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
