// Tests that a change is refused whose caller does not wait for it any more, by the clock of the requester alone.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { readRequesterTime, writeRequesterTime } from '../../../agent/protocol/caller-wait.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const change = { Action: 'approve' };
const late = /^nothing was done: the request came after its caller had given up$/;

/** A clock that stands still until it is moved. */
function still() {
  const times = { monotonicMs: 5_000, wallMs: 1_000_000 };
  return { times, clock: { monotonic: () => times.monotonicMs, now: () => new Date(times.wallMs) } };
}

async function begin(t: TestContext) {
  const { times, clock } = still();
  const directory = cluster();
  const api = await serve(t, directory, { clock });
  const { headers } = await call(api, '/api/v1/auth');
  const time = String(headers['muster-requester-time']);
  const ask = (wait: string, from = time) =>
    put(api, 'node-1', change, {
      headers: { 'Muster-Requester-Time': from, 'Muster-Caller-Wait': wait },
    });
  return { times, directory, time, ask };
}

test('a change counts until its caller gives up, and a moment later nothing is done', async t => {
  for (const clock of ['monotonicMs', 'wallMs'] as const) {
    const { times, directory, ask } = await begin(t);
    times[clock] += 10_001;
    const refused = await ask('10000');
    assert.equal(refused.status, 503);
    assert.match(String(refused.json().Message), late);
    assert.equal(directory.get('node-1').Membership, 'PENDING');
    assert.equal((await ask('10001')).status, 200);
    assert.equal(directory.get('node-1').Membership, 'APPROVED');
  }
});

test('the time of another process says nothing, and what is no time is refused', async t => {
  const { times, time, ask } = await begin(t);
  const read = readRequesterTime(time) ?? assert.fail(time);
  times.monotonicMs += 60_000;
  for (const text of ['', 'x', `${time}/1`, time.replace('/', '/-')])
    assert.equal((await ask('1000', text)).status, 400, text);
  for (const wait of ['', '-1', '1e3', '1'.repeat(10)]) assert.equal((await ask(wait)).status, 400, wait);
  assert.equal((await ask('1000', writeRequesterTime({ ...read, instance: randomUUID() }))).status, 200);
});
