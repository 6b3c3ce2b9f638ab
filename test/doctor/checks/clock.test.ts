// Checks the findings about the clock: implausible dates, jumps, differences to the broker, and missing time services.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, type TimeSyncQuery } from '../../../agent/doctor/checks/clock.ts';
import type { AccessCheck } from '../../../agent/transport/access-check.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { context } from './context.ts';

const facts = { version: '2.12.15', jetstream: true, encrypted: false, asksForLogin: true, roundTripMs: 1 };
const broker = (clockAheadMs: number | undefined): AccessCheck => ({
  server: 'nats://b:4222',
  host: 'b',
  result: { ...facts, clockAheadMs },
});

interface Seen {
  wall?: string;
  jump?: number;
  ahead?: number | undefined;
  setting?: TimeSyncQuery;
}

async function look(seen: Seen) {
  return (await findings(seen)).map(({ status, text }) => `${status} ${text}`);
}

async function findings({
  wall = '2026-11-24T08:00:00Z',
  jump = 0,
  ahead,
  setting = async () => 'there is none',
}: Seen) {
  const time = new FakeClock(new Date(wall));
  const accessChecks = [
    { server: 'x', host: 'x', result: { fault: 'tls', reason: '' } } as const,
    broker(ahead),
  ];
  const found = clock(time, { context: context({ accessChecks }), role: 'agent' }, setting).run();
  await time.settle();
  time.moveWall(jump);
  await time.advance(500);
  return found;
}

const said =
  (stdout: string, status = 0): TimeSyncQuery =>
  async () => ({ status, stdout, stderr: '' });

test('a good clock is ok, with its difference to the broker', async () => {
  assert.deepEqual(await look({}), ['ok 2026-11-24T08:00:00Z']);
  assert.deepEqual(await look({ ahead: -4_900 }), [
    'ok 2026-11-24T08:00:00Z, 4.9 s from the broker’s'.replace('’', "'"),
  ]);
  assert.deepEqual(await look({ setting: said('yes\n') }), ['ok 2026-11-24T08:00:00Z']);
});

test('an impossible year is a failure', async () => {
  for (const wall of ['1970-01-01T00:01:00Z', '2025-12-31T23:59:00Z', '2106-02-07T06:28:15Z']) {
    const [first, ...rest] = await look({ wall });
    assert.match(first ?? '', /^failed the clock says .*, which must be wrong/);
    assert.deepEqual(rest, []);
  }
});

test('a jump, a difference to the broker and a missing time service are warnings', async () => {
  assert.deepEqual(await look({ jump: 3_600_000 }), [
    'warning the clock jumped by 3600.0 s during this check',
  ]);
  assert.deepEqual(await look({ jump: -999 }), ['ok 2026-11-24T07:59:59Z']);
  assert.match((await look({ ahead: 60_000 }))[0] ?? '', /^warning this clock is 60.0 s behind the broker's/);
  assert.match(
    (await look({ ahead: -60_000 }))[0] ?? '',
    /^warning this clock is 60.0 s ahead of the broker's/,
  );
  assert.match((await look({ setting: said('no\n') }))[0] ?? '', /^warning no time service sets this clock/);
});

test('the remedy also helps when no time service is installed', async () => {
  for (const seen of [{ setting: said('no\n') }, { wall: '1970-01-01T00:01:00Z' }])
    for (const finding of await findings(seen))
      assert.match(('remedy' in finding && finding.remedy) || '', /install systemd-timesyncd or chrony/);
});

test('when it is not known whether a time service sets the clock, there is no warning', async () => {
  for (const setting of [async () => 'no', said('', 1), said('no', 1), said('perhaps')])
    assert.deepEqual(await look({ setting }), ['ok 2026-11-24T08:00:00Z']);
});
