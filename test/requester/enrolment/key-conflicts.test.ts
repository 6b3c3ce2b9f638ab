// Refused keys: which of them are conflicts of a node, how often one is announced, and which key an operator may take.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../../agent/protocol/events.ts';
import { encodePublicKey, fingerprint } from '../../../agent/protocol/nkey.ts';
import { refusalOf } from '../../../agent/requester/enrolment/access-rules.ts';
import { KeyConflicts } from '../../../agent/requester/enrolment/key-conflicts.ts';
import { RefusalLog } from '../../../agent/requester/enrolment/refusals.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { record } from '../samples.ts';

const keyOf = (number: number) => encodePublicKey(Buffer.alloc(32, number));
const known = keyOf(1);
const wanted = keyOf(2);

function open() {
  const clock = new FakeClock();
  const counters = { conflicts: 0 };
  const announced: { id: string; evidence: Evidence }[] = [];
  const conflicts = new KeyConflicts({
    clock,
    log: silentLog,
    counters,
    announcer: { announceConflict: (id, _membership, evidence) => void announced.push({ id, evidence }) },
    pinnedKey: id => (id.startsWith('node-') ? known : undefined),
    liveConnection: (_key, use) => ({
      server: 's',
      connection: 1,
      node: 'node-1',
      instance: use === 'work' ? 'w-1' : 'i-1',
      host: '10.0.0.1',
      use,
      mark: '',
    }),
    record: id => (id.startsWith('node-') ? record(id, 'APPROVED') : undefined),
  });
  const refusals = new RefusalLog(clock, refused => conflicts.onRefused(refused));
  const refuse = (
    id: string,
    code: Parameters<typeof refusalOf>[1] = 'conflict',
    key = wanted,
    use: 'agent' | 'work' = 'agent',
  ) =>
    refusals.add(key, refusalOf(key, code, `node ${id} has another key`, 'do', { id, key: known }), {
      node: id,
      host: '10.0.0.2',
      hostname: 'gpu-2',
      instance: 'i-2',
      use,
      server: 's',
      connection: 2,
    });
  return { clock, counters, announced, conflicts, refusals, refuse };
}

test('a refused key that wants the id of a node is shown with both sides for an hour, and announced once a minute', async () => {
  const { clock, counters, announced, conflicts, refuse } = open();
  for (let second = 0; second < 61; second++) {
    refuse('node-1');
    await clock.advance(1_000);
  }
  assert.equal(counters.conflicts, 61);
  assert.deepEqual(
    announced.map(({ id }) => id),
    ['node-1', 'node-1'],
  );
  assert.deepEqual(
    announced[0]?.evidence.agents,
    [
      {
        host: record('node-1', 'APPROVED').Info.Hostname,
        instance: 'i-1',
        address: '10.0.0.1',
        fingerprint: fingerprint(known),
      },
      { host: 'gpu-2', instance: 'i-2', address: '10.0.0.2', fingerprint: fingerprint(wanted) },
    ].map(agent => Object.fromEntries(Object.entries(agent).filter(([, member]) => member))),
  );
  assert.ok(conflicts.latest('node-1'));
  await clock.advance(3_600_000);
  assert.equal(conflicts.latest('node-1'), undefined);
});

test('no refusal for another reason is a conflict', () => {
  const { counters, announced, refuse } = open();
  for (const code of ['banned', 'deleted', 'code_spent', 'unavailable'] as const) refuse('node-1', code);
  assert.deepEqual([counters.conflicts, announced.length], [0, 0]);
});

test('invented keys that want the ids of all nodes fill neither the event stream nor the memory', () => {
  const { announced, refuse, conflicts, refusals } = open();
  for (let node = 0; node < 10_100; node++) refuse(`node-${node}`, 'conflict', `N${node}`);
  assert.equal(announced.length, 100);
  assert.equal(conflicts.latest('node-0'), undefined);
  assert.ok(conflicts.latest('node-10099'));
  assert.equal(refusals.of('N0'), undefined);
  assert.ok(refusals.of('N10099'));
});

test('the keys that wanted to be a node are offered for an hour, and no other', async () => {
  const { clock, refuse, refusals } = open();
  refuse('node-1');
  refuse('node-2', 'conflict', keyOf(3));
  assert.deepEqual(
    refusals.wanting('node-1').map(({ key }) => key),
    [wanted],
  );
  await clock.advance(3_600_001);
  assert.deepEqual(refusals.wanting('node-1'), []);
  assert.equal(refusals.take(wanted)?.key, wanted);
  assert.equal(refusals.of(wanted), undefined);
});

test('a second program that wants the work of a node is shown as one, beside the program that has it', () => {
  const { announced, conflicts, refuse } = open();
  refuse('node-1', 'clone', known, 'work');
  const ofKey = fingerprint(known);
  const agents = [
    { instance: 'w-1', address: '10.0.0.1', fingerprint: ofKey, use: 'work' },
    { host: 'gpu-2', instance: 'i-2', address: '10.0.0.2', fingerprint: ofKey, use: 'work' },
  ];
  assert.deepEqual(announced[0]?.evidence.agents, agents);
  assert.deepEqual(conflicts.latest('node-1')?.agents, agents);
});
