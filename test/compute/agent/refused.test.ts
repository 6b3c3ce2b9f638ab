// An agent whose key is refused sends nothing but the question why, and takes part again when it is let in.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { whySubject } from '../../../agent/protocol/subjects.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, node, sentinel } from '../agent-bench.ts';

const hour = 3_600_000;
const conflict = {
  code: 'conflict',
  reason: `node ${node} has another key`,
  hint: 'give it the record',
  fingerprint: 'ABCD-EFGH',
};

/** Starts the agent of an approved node, whose key the requester refuses while `refusal` is set. */
async function refusedAgent(given: { connectsByKey?: boolean } = {}) {
  const folder = await newFolder();
  await writeFile(join(folder, `${node}.registration.json`), JSON.stringify(sentinel), { mode: 0o600 });
  const bench = new AgentBench(folder, accepting('APPROVED'), undefined, given);
  const { connection, broker } = bench;
  const gate = { refusal: conflict as typeof conflict | undefined, asked: 0, answers: true, mayAsk: true };
  const why = whySubject(sentinel.key);
  connection.permits = subject => (subject === why ? gate.mayAsk : gate.refusal === undefined);
  broker.connect().subscribe(why, message => {
    gate.asked++;
    if (gate.answers) message.respond(JSON.stringify(gate.refusal ?? {}));
  });
  bench.agent.start();
  await bench.until('the refusal', () => gate.asked > 0);
  await bench.clock.settle();
  return { bench, gate, connection };
}

test('it asks why once on each link, and sends no report, no heartbeat and no request meanwhile', async () => {
  const { bench, gate, connection } = await refusedAgent();
  const first = [...connection.violations];
  assert.deepEqual(
    first.filter(subject => subject.startsWith('node.management.')),
    [`node.management.${node}.UpdateNodeInfo/v1`],
  );
  await bench.clock.advance(hour);
  assert.deepEqual(connection.violations, first);
  assert.ok(gate.asked > 10);
  const { state, heartbeats, lastHeartbeat, troubles } = bench.agent.status();
  assert.deepEqual([state, heartbeats, lastHeartbeat], ['refused', 0, undefined]);
  assert.deepEqual(
    troubles?.map(({ code }) => code),
    ['key_refused'],
  );
  assert.deepEqual(
    bench.messages('warn').filter(text => !text.startsWith('the requester refuses this node: ')),
    [],
  );
  await bench.agent.stop();
  assert.deepEqual(connection.violations, first, 'it says no goodbye either');
});

test('it takes part again when it is let in, and hears its events', async () => {
  const { bench, gate, connection } = await refusedAgent();
  await bench.clock.advance(hour);
  const before = connection.violations.length;
  gate.refusal = undefined;
  await bench.clock.advance(130_000);
  assert.equal(bench.agent.status().state, 'approved');
  assert.equal(connection.violations.length, before);
  assert.ok(bench.beats.length > 0);
  bench.forget();
  bench.event('rejected');
  await bench.clock.advance(2_000);
  assert.equal(bench.asked, 'UpdateNodeInfo');
});

test('it stays quiet while nobody says whether it is still refused', async () => {
  const { bench, gate, connection } = await refusedAgent();
  const before = connection.violations.length;
  gate.answers = false;
  await bench.clock.advance(hour);
  assert.equal(connection.violations.length, before);
  assert.equal(bench.agent.status().state, 'refused');
  gate.answers = true;
  gate.refusal = undefined;
  await bench.clock.advance(130_000);
  assert.equal(bench.agent.status().state, 'approved');
});

test('a broker that does not even permit the question is a trouble, until it does', async () => {
  // A key is not what it logs in with: it shows the token of the nodes without a key.
  const { bench, gate, connection } = await refusedAgent({ connectsByKey: false });
  gate.mayAsk = false;
  for (let hours = 0; hours < 2; hours++) {
    await bench.clock.advance(hour);
    const { state, troubles } = bench.agent.status();
    assert.equal(state, 'refused');
    const [trouble] = troubles ?? [];
    assert.equal(trouble?.code, 'key_refused');
    assert.match(trouble.text, /^the broker lets this node neither register nor ask why/);
    assert.match(trouble.hint, /muster agent join/);
  }
  const requests = connection.violations.filter(subject => subject.startsWith('node.management.'));
  assert.equal(requests.length, 1, 'it asks nothing else meanwhile');
  gate.mayAsk = true;
  gate.refusal = undefined;
  await bench.clock.advance(130_000);
  assert.equal(bench.agent.status().state, 'approved');
});

test('it exchanges no key, because a refused key approves no other one', async () => {
  const { bench } = await refusedAgent();
  await assert.rejects(bench.agent.rotateKey(), /cannot be exchanged: the requester refuses the key/);
  await bench.agent.stop();
});
