// A new host comes in with a join code, on real processes: in one command, approved at once, too late, twice, from elsewhere.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { connectAsRequester } from '../support/pinned-keys.ts';
import { type Finished, muster, Program } from '../support/program.ts';

let cluster: Cluster;
let requester: Program;
before(async () => {
  cluster = await Cluster.create();
  requester = await cluster.requester();
});
after(() => cluster.release());

/** Makes a code by the command, and returns its line and its id. */
async function newCode(...flags: string[]): Promise<{ line: string; id: string }> {
  const { code, stdout, stderr } = await cluster.command('join-code', 'create', ...flags);
  assert.equal(code, 0, stderr);
  return { line: stdout.trim(), id: /^This is join code (\w+)\./m.exec(stderr)?.[1] ?? '' };
}

const joinIn = (id: string, line: string, ...flags: string[]): Promise<Finished> =>
  muster(['agent', 'join', '--data-dir', cluster.folderOf(id), ...flags], { input: `${line}\n` });

/** Starts an agent that knows its cluster only from its folder. */
function startAgent(id: string, ...flags: string[]): Program {
  const usual = ['--data-dir', cluster.folderOf(id), '--node-id', id, '--log-format', 'json'];
  return new Program(['agent', ...usual, ...flags]);
}

/** Gives a code to a host that has nothing else, starts its agent, and waits until it shows this trouble. */
async function refusedWith(id: string, line: string, reason: RegExp): Promise<void> {
  assert.equal((await joinIn(id, line)).code, 0);
  const agent = startAgent(id);
  const waited = await joinIn(id, line, '--wait', '--timeout', '60s');
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, reason);
  await agent.stop();
  assert.equal(await cluster.stateOf(id), undefined, 'it is not on the roll');
}

describe('a fresh host', () => {
  test('is pending approval after one command that asks for the code, and the code is kept no longer', async () => {
    const { line, id } = await newCode('--labels', 'rack=b7');
    const agent = startAgent('fresh');
    await eventually('the agent answers', async () => {
      const status = await muster(['status', '--data-dir', cluster.folderOf('fresh')]);
      return /agent fresh/.test(status.stdout);
    });
    const joined = await joinIn('fresh', line);
    assert.deepEqual([joined.code, joined.stdout], [0, 'Ok\n'], joined.stderr);
    await agent.untilPrinted(/"msg":"pending approval"/);
    await cluster.until('fresh', 'PENDING HEALTHY');
    const node = await cluster.node('fresh');
    assert.equal(node?.Muster.JoinCode, id);
    assert.equal(node?.Info.Labels?.rack, 'b7');
    await eventually('the event names the code', async () =>
      (await cluster.events()).some(
        ({ type, subject, data }) =>
          subject === 'fresh' && type.endsWith('registered') && data.joinCode === id,
      ),
    );
    const file = join(cluster.folderOf('fresh'), 'agent', 'cluster.json');
    await eventually('the code is dropped', async () => !(await readFile(file, 'utf8')).includes('"code"'));
    assert.equal(JSON.parse(await readFile(file, 'utf8')).usedCode, id);
    assert.ok(!agent.stderr.includes(line) && !agent.stderr.includes('join-'), 'no log has the code');
    // It comes back by its key alone.
    await agent.stop();
    const again = startAgent('fresh');
    await again.untilPrinted(/"msg":"pending approval"/);
    await again.stop();
  });

  test('is approved at once by a code that says so, and the command waits for that', async () => {
    const { line, id } = await newCode('--approve', '--uses', '2');
    assert.equal((await joinIn('quick', line)).code, 0);
    const agent = startAgent('quick');
    const waited = await joinIn('quick', line, '--wait', '--timeout', '60s');
    assert.deepEqual([waited.code, waited.stdout], [0, 'Ok\n'], waited.stderr);
    const node = await cluster.node('quick');
    assert.equal(node?.Membership, 'APPROVED');
    assert.equal(node?.Muster.Decision?.Actor, `join code ${id}`);
    await agent.stop();
  });
});

test('a code that is given while the agent starts is not lost', async () => {
  const hosts = Array.from({ length: 6 }, (_, index) => `hasty-${index}`);
  const { line } = await newCode('--uses', String(hosts.length));
  const agents = await Promise.all(
    hosts.map(async host => {
      const agent = startAgent(host);
      const { code, stderr } = await joinIn(host, line);
      assert.equal(code, 0, stderr);
      return agent;
    }),
  );
  for (const agent of agents) await agent.untilPrinted(/"msg":"pending approval"/);
  await Promise.all(agents.map(agent => agent.stop()));
});

describe('a code lets nobody in', () => {
  test('that is used up, and the second host is told so', async () => {
    const { line } = await newCode();
    assert.equal((await joinIn('first', line)).code, 0);
    const agent = startAgent('first');
    await agent.untilPrinted(/"msg":"pending approval"/);
    await refusedWith('second', line, /the join code \w+ was used as often as it may be/);
    await agent.stop();
  });

  test('that is revoked', async () => {
    const { line, id } = await newCode();
    assert.equal((await cluster.command('join-code', 'revoke', id)).stdout, 'Ok\n');
    await refusedWith('revoked', line, /the join code \w+ was revoked/);
  });

  test('that expires after the host has taken it, and before the broker asks about it', async () => {
    const { line, id } = await newCode();
    // The host goes by the end in the code, and the requester by its own record.
    const connection = await connectAsRequester(cluster);
    const bucket = await (await connection.storage()).bucket({ name: 'muster_v1', history: 1 });
    const { value, revision } = (await bucket.get(`code.${id}`)) ?? assert.fail('the code has no record');
    const record = { ...JSON.parse(Buffer.from(value).toString()), endsAt: new Date().toISOString() };
    await bucket.put(`code.${id}`, Buffer.from(JSON.stringify(record)), revision);
    await connection.close();
    await requester.stop();
    requester = await cluster.requester();
    await refusedWith('late', line, /the join code \w+ has expired/);
  });

  test('of another cluster: a broker that does not know it, and a node that is in a cluster already', async t => {
    const other = await Cluster.create();
    t.after(() => other.release());
    await other.requester();
    const theirs = await other.newJoinCode();
    assert.equal((await joinIn('astray', theirs)).code, 0);
    const astray = startAgent('astray', '--nats-servers', cluster.servers);
    const { line } = await newCode();
    assert.equal((await joinIn('mover', line)).code, 0);
    const mover = startAgent('mover');
    t.after(() => Promise.all([astray.kill(), mover.kill()]));
    await mover.untilPrinted(/"msg":"pending approval"/);
    const refused = await joinIn('mover', theirs);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /the join code is for cluster \S+, and this node is in cluster \S+\nHint: .*--move/,
    );
    assert.equal((await joinIn('mover', theirs, '--move')).code, 0);
    await other.until('mover', 'PENDING HEALTHY');
    await astray.untilPrinted(
      /did not let this node in: .* knows neither the key of this node nor a join code/,
    );
    assert.equal(await cluster.stateOf('astray'), undefined);
  });

  test('from another network', async () => {
    const { line } = await newCode('--network', '10.99.0.0/16');
    await refusedWith('elsewhere', line, /is not for the network of this machine/);
    const { line: here } = await newCode('--network', '127.0.0.0/8');
    assert.equal((await joinIn('here', here)).code, 0);
    const agent = startAgent('here');
    await agent.untilPrinted(/"msg":"pending approval"/);
    await agent.stop();
  });

  test('when two hosts race for its last use: one comes in, the other is told', async () => {
    const { line, id } = await newCode();
    const hosts = ['racer-1', 'racer-2', 'racer-3'];
    for (const host of hosts) assert.equal((await joinIn(host, line)).code, 0);
    const agents = hosts.map(host => startAgent(host));
    await eventually('each agent knows what became of it', async () =>
      agents.every(agent => /"msg":"pending approval"|was used as often as it may be/.test(agent.stderr)),
    );
    const states = await Promise.all(hosts.map(host => cluster.stateOf(host)));
    assert.equal(states.filter(state => state !== undefined).length, 1, states.join());
    const listed = JSON.parse((await cluster.command('join-code', 'list', '-o', 'json')).stdout);
    const code = listed.find(({ ID }: { ID: string }) => ID === id);
    assert.deepEqual([code.State, code.Used], ['spent', 1]);
    await Promise.all(agents.map(agent => agent.stop()));
  });
});
