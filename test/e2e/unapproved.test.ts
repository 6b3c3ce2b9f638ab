// Nodes that nobody approved cannot fill the store, the event stream or the log, nor keep an honest node out.
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { writeJson } from '../../agent/protocol/json.ts';
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  type ManagementMethod,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { computeInfo } from '../requester/samples.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { Program } from '../support/program.ts';

const maxPending = 200;

describe('unapproved nodes', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  let attacker: Connection;

  before(async () => {
    broker = await startNatsServer();
    // The nodes of the attack send no regular heartbeats, so a longer silence is allowed.
    const settings = { 'requester.maxPending': maxPending, 'requester.nodeDisconnectedAfter': '3s' };
    cluster = await Cluster.create({
      servers: broker.url,
      settings: { ...settings, 'requester.nodeUnknownAfter': '6s' },
    });
    requester = await cluster.requester();
    attacker = await openConnection(broker.url, 'attacker');
  });

  after(async () => {
    await attacker.close();
    await cluster.release();
    await broker.release();
  });

  interface Answer {
    error?: string;
    value?: { Accepted?: boolean; Muster?: { Code: string; Session?: string } } | null;
  }

  const ask = async (id: string, method: ManagementMethod, body: object): Promise<Answer> => {
    const answer = await attacker.request(managementSubject(id, method), writeJson(body), 60_000);
    return JSON.parse(Buffer.from(answer.data).toString());
  };
  const register = (id: string) =>
    ask(id, 'RegisterNode/v1', { Info: computeInfo(id), Muster: { Version: '0.1.0', Instance: `i-${id}` } });
  const newestRevision = async () => {
    const bucket = await (await attacker.storage()).bucket({ name: 'node_v1', history: 1 });
    return (await bucket.state()).lastRevision;
  };

  it('that alternate a label, leave and come back as fast as they can cause few writes, events and lines', async () => {
    const agent = await cluster.agent('honest');
    await cluster.until('honest', 'PENDING HEALTHY');
    const ids = Array.from({ length: 64 }, (_, i) => `flood-${i}`);
    const sessions = new Map<string, string | undefined>();
    for (const id of ids) sessions.set(id, (await register(id)).value?.Muster?.Session);
    // Only after one nodeDisconnectedAfter changes of health are announced.
    await eventually('health is announced', async () =>
      (await cluster.kindsOf('honest')).includes('healthy'),
    );
    const before = { writes: await newestRevision(), lines: requester.stderr.split('\n').length };
    const began = performance.now();
    const flood = async (id: string) => {
      const Muster = { Version: '0.1.0', Instance: `i-${id}`, Session: sessions.get(id) };
      const beat = encodeHeartbeat({ NodeID: id, Sequence: 1 }, sessions.get(id), new Date());
      for (let round = 0; round < 30; round++) {
        const update = { Info: computeInfo(id, { zone: `z${round}` }), Muster };
        assert.equal((await ask(id, 'UpdateNodeInfo/v1', update)).value?.Accepted, true);
        attacker.publish(heartbeatSubject(defaultHeartbeatTopic, id), beat);
        await ask(id, 'Leave/v1', { NodeID: id, Reason: 'flood', Muster });
      }
    };
    await Promise.all([
      ...ids.map(flood),
      // Decisions are not limited, and go through meanwhile.
      (async () => {
        for (let i = 0; i < 4; i++) {
          await cluster.decide('honest', 'approve');
          await cluster.decide('honest', 'reject');
        }
        await cluster.decide('honest', 'approve');
      })(),
    ]);
    await agent.untilPrinted(/"msg":"approved"/);
    const perNode = 5 + Math.ceil((performance.now() - began) / 10_000);
    const writes = (await newestRevision()) - before.writes;
    assert.ok(writes <= 64 * perNode + 9 + 5, `${writes} writes`);
    const events = (await cluster.events()).filter(({ subject }) => subject.startsWith('flood-'));
    assert.ok(events.length <= 64 * (1 + 2 * perNode), `${events.length} events`);
    const lines = requester.stderr.split('\n').length - before.lines;
    assert.ok(lines <= 64 * perNode + 64, `${lines} lines`);
  });

  it('that are invented in a flood do not keep an honest newcomer out', async () => {
    const invented = Array.from({ length: 300 }, (_, i) => `invented-${i}`);
    for (let from = 0; from < invented.length; from += 50) {
      const answers = await Promise.all(invented.slice(from, from + 50).map(register));
      assert.ok(answers.every(({ value }) => value?.Accepted));
    }
    const { nodes } = await cluster.status();
    assert.equal(nodes?.pending, maxPending);
    const newcomer = await cluster.agent('newcomer', {}, { wait: false });
    await newcomer.untilPrinted(/"msg":"pending approval"/);
    assert.doesNotMatch(newcomer.stderr, /the requester refused/);
    await cluster.until('newcomer', 'PENDING HEALTHY');
    await eventually(
      'it is told who gave way',
      async () => (await cluster.kindsOf('invented-0')).at(-1) === 'expired',
    );
    // What gave way is not deleted, so it may register again.
    assert.equal((await register('invented-0')).value?.Muster?.Code, 'registered');
    await cluster.until('newcomer', 'PENDING HEALTHY');
  });

  it('are shown as heard before the restart of the requester, and a copied data folder is a conflict that names both hosts', async () => {
    const copy = cluster.folderOf('copy');
    await cp(join(cluster.folderOf('honest'), 'agent'), join(copy, 'agent'), {
      recursive: true,
      filter: path => !/\.(sock|tmp)$/.test(path),
    });
    await cluster.agent('honest', { dataDir: copy, 'node.id': 'honest' });
    await eventually('a conflict is announced', async () =>
      (await cluster.kindsOf('honest')).includes('conflict'),
    );
    const conflict = (await cluster.events()).find(({ type }) => type.endsWith('.conflict'));
    const evidence = conflict?.data.evidence as
      | { agents?: { host?: string; instance?: string }[] }
      | undefined;
    const agents = evidence?.agents ?? assert.fail();
    assert.equal(new Set(agents.map(({ instance }) => instance)).size, 2);
    assert.ok(agents.every(({ host }) => host));
    const { stdout } = await cluster.command('node', 'describe', 'honest');
    assert.match(stdout, new RegExp(`conflict +two agents use this id, on ${agents[0]?.host}`));
    await requester.stop();
    requester = await cluster.requester();
    const node = await cluster.node('flood-0');
    assert.equal(node?.Info.Labels?.zone, 'z29', 'the latest information was stored in the end');
    assert.equal(node?.Muster.Health, 'UNKNOWN');
    assert.match(node?.ConnectionState.LastHeartbeat ?? '', /^20/);
  });
});
