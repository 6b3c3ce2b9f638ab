// Tests every request of a node and its answer, for muster agents and, byte for byte, for Bacalhau nodes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ManagementMethod } from '../../../agent/protocol/subjects.ts';
import { readUsualInfo } from '../../../agent/protocol/usual-info.ts';
import { readUsualUpdate } from '../../../agent/protocol/usual-update.ts';
import { approveNode, deleteNode, rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { nodeBucket, readEntry } from '../../../agent/requester/roll/store.ts';
import { capture } from '../../support/captures.ts';
import { foreignWrite } from '../roll/roll-fixture.ts';
import { computeInfo, record, sender } from '../samples.ts';
import { begin, decision, musterMember, update } from './requests-fixture.ts';

describe("a Bacalhau node gets Bacalhau's answers, byte for byte,", () => {
  const id = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';
  const subject = (method: ManagementMethod) => `node.management.${id}.${method}`;
  const asRecorded = (method: ManagementMethod) => capture(`bprotocol/${method}`).bytes;

  test('to a registration, to resources and to information', async () => {
    const { send, calls, roll, resources } = await begin();
    assert.equal(
      await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1')),
      '{"value":{"Accepted":true,"Reason":"node registered"}}',
    );
    assert.equal(await send(subject('UpdateResources/v1'), asRecorded('UpdateResources/v1')), '{"value":{}}');
    assert.equal(
      await send(subject('UpdateNodeInfo/v1'), asRecorded('UpdateNodeInfo/v1')),
      '{"value":{"Accepted":true,"Reason":""}}',
    );
    assert.equal(roll.records.get(id)?.Muster?.Session, undefined);
    assert.equal(resources.get(id)?.available.CPU, 6.4);
    assert.deepEqual(calls, [`alive ${id}`, `alive ${id}`]);
  });

  test('in refusals too, without a member of muster', async () => {
    const { send, broker, clock, roll } = await begin();
    const handshake = `{"error":"node ${id} not connected - handshake required","value":null}`;
    assert.equal(await send(subject('UpdateResources/v1'), asRecorded('UpdateResources/v1')), handshake);
    await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1'));
    assert.equal(
      await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1')),
      '{"value":{"Accepted":true,"Reason":"node reconnected"}}',
    );
    await roll.decide(id, decision, rejectNode);
    assert.equal(
      await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1')),
      '{"value":{"Accepted":false,"Reason":"node has been rejected"}}',
    );
    assert.equal(
      await send(subject('UpdateNodeInfo/v1'), asRecorded('UpdateNodeInfo/v1')),
      '{"value":{"Accepted":false,"Reason":"node registration rejected"}}',
    );
    assert.equal(
      await send(subject('UpdateResources/v1'), asRecorded('UpdateResources/v1')),
      '{"error":"node registration rejected","value":null}',
    );
    broker.failNext('get', { fault: 'timeout' });
    assert.equal(
      await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1')),
      '{"error":"the node info store does not answer; try again","value":null}',
    );
    await roll.decide(id, { reason: '', actor: 'ann' }, deleteNode);
    await clock.settle();
    assert.equal(
      await send(subject('UpdateResources/v1'), asRecorded('UpdateResources/v1')),
      '{"error":"node was deleted","value":null}',
    );
    assert.equal(
      await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1')),
      '{"value":{"Accepted":true,"Reason":"node registered"}}',
    );
  });

  test('and is registered by its information, because by this protocol it registers only at its start', async () => {
    const { send, roll, calls, resources } = await begin();
    const tell = () => send(subject('UpdateNodeInfo/v1'), asRecorded('UpdateNodeInfo/v1'));
    const registered = '{"value":{"Accepted":true,"Reason":"node registered"}}';
    assert.equal(await tell(), registered);
    assert.equal(roll.records.get(id)?.Membership, 'PENDING');
    assert.deepEqual(calls, [`alive ${id}`]);
    assert.equal(resources.get(id)?.available.CPU, 6.4);
    await roll.decide(id, decision, rejectNode);
    assert.equal(await tell(), '{"value":{"Accepted":false,"Reason":"node registration rejected"}}');
    await roll.decide(id, decision, deleteNode);
    assert.equal(await tell(), registered);
    assert.equal(roll.records.get(id)?.Membership, 'PENDING');
  });

  test('to lists in another order, for which nothing is written or announced', async () => {
    const { send, broker, open } = await begin();
    await send(subject('RegisterNode/v1'), asRecorded('RegisterNode/v1'));
    const { revision } = broker.openBucket('node_v1');
    const message = JSON.parse(asRecorded('UpdateNodeInfo/v1').toString());
    for (let i = 0; i < 3; i++) {
      message.Info.ComputeNodeInfo.ExecutionEngines.reverse();
      message.Info.ComputeNodeInfo.Publishers.push(message.Info.ComputeNodeInfo.Publishers.shift());
      await send(subject('UpdateNodeInfo/v1'), JSON.stringify(message));
    }
    assert.equal(broker.openBucket('node_v1').revision, revision);
    assert.equal(open.announced.length, 2, 'the requester and the node');
  });
});

describe('a muster agent', () => {
  test('registers, opens a session, and gets the settings of the requester', async () => {
    const { register, calls, roll } = await begin();
    const answer = await register('node-1', sender());
    const session = roll.records.get('node-1')?.Muster?.Session;
    assert.ok(session);
    assert.deepEqual(answer, {
      value: {
        Accepted: true,
        Reason: 'node registered',
        Muster: musterMember({ Membership: 'PENDING', Session: session, Code: 'registered' }),
      },
    });
    assert.deepEqual(calls, []);
    const again = await register('node-1', sender(session));
    assert.equal(again.value.Muster.Code, 'reconnected');
    assert.notEqual(again.value.Muster.Session, session);
  });

  test('gets the same answer for resources in the usual form, which is carried out at once, as in any other', async () => {
    const usual = (id: string, session: string) => ({
      NodeID: id,
      AvailableCapacity: { CPU: 6.5, Memory: 7, Disk: 8 },
      QueueUsedCapacity: {},
      Usage: { CPU: 0, Memory: 1, Disk: 2, Load: 0 },
      Muster: { Version: '1', ClusterID: 'c-1', Session: session, Instance: 'i-1', BootID: 'b-1' },
    });
    assert.ok(readUsualUpdate(Buffer.from(JSON.stringify(usual('node-1', 's-1')))));
    const send = async (isUsual: boolean) => {
      const { ask, register, calls, roll, resources, counters } = await begin();
      const Session: string = (await register('node-1', sender())).value.Muster.Session;
      const { Session: other }: { Session: string } = (await register('node-2', sender())).value.Muster;
      const asked = async (id: string, subject: string, session: string) => {
        const { NodeID, ...rest } = usual(id, session);
        const body = isUsual ? { NodeID, ...rest } : { ...rest, NodeID };
        const answer = await ask(subject, 'UpdateResources/v1', body);
        const { at, ...known } = resources.get(id) ?? { at: undefined };
        return [answer, known, at !== undefined, [...calls.splice(0)]];
      };
      const results = [
        await asked('node-1', 'node-1', Session),
        await asked('node-1', 'node-1', other),
        await asked('node-1', 'node-2', Session),
        await asked('node-2', 'node-1', Session),
        await asked('node-3', 'node-3', Session),
        await asked('node-0', 'node-0', Session),
      ];
      await roll.decide('node-1', decision, approveNode);
      results.push(await asked('node-1', 'node-1', Session));
      await roll.decide('node-1', decision, rejectNode);
      results.push(await asked('node-1', 'node-1', Session));
      return { results, counters };
    };
    const [atOnce, plain] = [await send(true), await send(false)];
    assert.deepEqual(atOnce, plain);
    assert.match(String(atOnce.results[0]), /"Code":"known"/);
    assert.match(String(atOnce.results[1]), /handshake_required/);
    assert.match(String(atOnce.results[7]), /registration rejected/);
  });

  test('gets the same answer for information that is on the roll, which is carried out at once, as for any other', async () => {
    const infoOf = (id: string, zone = 'a') => {
      const info = computeInfo(id, { zone });
      const capacity = {
        ...info.ComputeNodeInfo,
        QueueCapacity: {},
        AvailableCapacity: { CPU: 3.25, Memory: 7, Disk: 8 },
        RunningExecutions: 0,
      };
      return { ...info, ComputeNodeInfo: capacity, Agent: { Version: '0.1.0' } };
    };
    const send = async (isUsual: boolean) => {
      const { send, asked, calls, roll, open, counters, clock } = await begin();
      const register = async (id: string) =>
        (await asked(id, 'RegisterNode/v1', { Info: infoOf(id), Muster: sender() })).value.Muster.Session;
      const [Session, other] = [await register('node-1'), await register('node-2')];
      const tell = async (id: string, subject: string, Muster: object, zone?: string) => {
        const text = JSON.stringify({ Info: infoOf(id, zone), Muster });
        const known = roll.records.get(subject)?.Info;
        const isRead = known !== undefined && readUsualInfo(Buffer.from(text), known) !== undefined;
        // A blank behind it leaves a message to its schema.
        const answer = await send(
          `node.management.${subject}.UpdateNodeInfo/v1`,
          isUsual ? text : `${text} `,
        );
        return [isRead, answer, calls.splice(0), roll.records.get(subject)?.Info.Labels];
      };
      const mine = sender(Session);
      const results = [
        await tell('node-1', 'node-1', mine),
        await tell('node-1', 'node-1', { ...mine, Authorities: ['a'] }),
        await tell('node-1', 'node-1', sender(other)),
        await tell('node-1', 'node-1', sender()),
        await tell('node-1', 'node-2', mine),
        await tell('node-3', 'node-3', mine),
        await tell('node-1', 'node-1', mine, 'b'),
        await tell('node-1', 'node-1', mine, 'b'),
      ];
      const deciding = roll.decide('node-1', decision, approveNode);
      results.push(await tell('node-1', 'node-1', mine, 'b'));
      await deciding;
      results.push(await tell('node-1', 'node-1', mine, 'b'));
      await roll.decide('node-1', decision, rejectNode);
      results.push(await tell('node-1', 'node-1', mine, 'b'));
      await clock.settle();
      return { results, counters, waiting: ['node-1', 'node-2'].map(id => open.waiting.isTaken(id)) };
    };
    const [atOnce, plain] = [await send(true), await send(false)];
    assert.deepEqual(atOnce, plain);
    const read = atOnce.results.map(([isRead]) => isRead);
    assert.deepEqual(read, [true, true, true, true, false, false, false, true, true, true, true]);
    assert.match(String(atOnce.results[0]), /"Code":"known"/);
    assert.match(String(atOnce.results[2]), /handshake required/);
    assert.match(String(atOnce.results.at(-1)), /registration rejected/);
  });

  test('sends information and resources and leaves under its session', async () => {
    const { asked, register, calls, roll, resources, clock } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    await roll.decide('node-1', decision, approveNode);
    calls.length = 0;
    const carriedOut = musterMember({ Membership: 'APPROVED', Session, Code: 'known' });
    assert.deepEqual(
      await asked('node-1', 'UpdateNodeInfo/v1', {
        Info: computeInfo('node-1', { zone: 'b' }),
        Muster: sender(Session),
      }),
      { value: { Accepted: true, Reason: '', Muster: carriedOut } },
    );
    assert.deepEqual(roll.records.get('node-1')?.Info.Labels, { zone: 'b' });
    assert.deepEqual(calls, [], 'information is no sign of life');
    const Usage = { CPU: 0.5, Memory: 1e9, Disk: 2e9, Load: 0.25 };
    assert.deepEqual(
      await asked('node-1', 'UpdateResources/v1', update('node-1', { Usage, Muster: sender(Session) })),
      { value: { Muster: carriedOut } },
    );
    assert.deepEqual(calls, ['alive node-1']);
    assert.deepEqual(resources.get('node-1')?.usage, Usage);
    assert.ok((resources.get('node-1')?.at.getTime() ?? 0) <= clock.now().getTime());
    assert.deepEqual(
      await asked('node-1', 'Leave/v1', { NodeID: 'node-1', Reason: 'SIGTERM', Muster: sender(Session) }),
      { value: { Muster: musterMember({ Membership: 'APPROVED', Session, Code: 'left' }) } },
    );
    assert.deepEqual(calls, ['alive node-1', 'left node-1: SIGTERM']);
  });

  test("that is rejected or deleted gets the operator's reason, in each answer", async () => {
    const { asked, register, roll, broker, clock } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    const report = async () =>
      (await asked('node-1', 'UpdateResources/v1', update('node-1', { Muster: sender(Session) }))).value
        .Muster;
    const because = (reason: string) => ({ reason, actor: 'ann' });
    await roll.decide('node-1', because('malicious node?'), rejectNode);
    assert.deepEqual([(await report()).Code, (await report()).Reason], ['rejected', 'malicious node?']);
    assert.equal((await register('node-1', sender())).value.Muster.Reason, 'malicious node?');
    await roll.decide('node-1', because('was checked'), approveNode);
    assert.equal((await register('node-1', sender())).value.Muster.Reason, undefined);
    await roll.decide('node-1', because('sold'), deleteNode);
    await clock.settle();
    const gone = await report();
    assert.deepEqual([gone.Code, gone.Reason], ['deleted', 'sold']);
    // A requester that starts reads the reason from the marker in the store.
    const marker = await broker.connect().storage();
    const entry = await (await marker.bucket({ name: 'node_v1', history: 1 })).get('node-1');
    const { tombstone, ...stored } = { tombstone: undefined, ...readEntry(entry) };
    assert.equal(tombstone?.Reason, 'sold');
    assert.deepEqual(stored, {
      kind: 'deleted',
      revision: entry?.revision,
      reason: 'sold',
      actor: 'ann',
      incarnation: 's1',
      at: '2026-01-01T00:01:15.000Z',
    });
  });

  test('under another session, or none, has to register, and what it sends is not used', async () => {
    const { asked, register, calls, roll, resources, counters } = await begin();
    await register('node-1', sender());
    calls.length = 0;
    for (const Muster of [sender('s-old'), sender(), undefined]) {
      const bodies: [ManagementMethod, object][] = [
        ['UpdateNodeInfo/v1', { Info: computeInfo('node-1', { zone: 'x' }) }],
        ['UpdateResources/v1', update('node-1')],
        ['Leave/v1', { NodeID: 'node-1', Reason: '' }],
      ];
      for (const [method, body] of bodies) {
        const answer = await asked('node-1', method, { ...body, ...(Muster ? { Muster } : {}) });
        assert.equal(answer.error, 'node node-1 not connected - handshake required');
        assert.deepEqual(
          answer.value,
          Muster ? { Muster: musterMember({ Membership: 'PENDING', Code: 'handshake_required' }) } : null,
        );
      }
    }
    assert.deepEqual(calls, Array(9).fill('other session node-1'));
    assert.equal(counters.requestsRefused, 9);
    assert.deepEqual(roll.records.get('node-1')?.Info.Labels, { zone: 'a' });
    assert.equal(resources.get('node-1'), undefined);
  });

  test('with older information does not replace that of a newer registration on its way to the store', async () => {
    const { asked, register, roll, node, clock } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    const newer = { Info: computeInfo('node-1', { zone: 'new' }), Muster: sender() };
    const registering = node.request('node.management.node-1.RegisterNode/v1', JSON.stringify(newer), 60_000);
    const older = { Info: computeInfo('node-1', { zone: 'old' }), Muster: sender(Session) };
    const answer = await asked('node-1', 'UpdateNodeInfo/v1', older);
    await registering;
    await clock.settle();
    assert.equal(answer.value.Muster.Code, 'handshake_required');
    assert.equal(roll.records.get('node-1')?.Info.Labels?.zone, 'new');
  });

  test('that was rejected gets a session and may leave, but its reports are refused', async () => {
    const { asked, register, calls, roll, resources, counters } = await begin();
    await register('node-1', sender());
    await roll.decide('node-1', decision, rejectNode);
    calls.length = 0;
    const answer = await register('node-1', sender());
    const Session = roll.records.get('node-1')?.Muster?.Session;
    const refused = musterMember({ Membership: 'REJECTED', Code: 'rejected' });
    assert.deepEqual(answer, {
      value: { Accepted: false, Reason: 'node has been rejected', Muster: { ...refused, Session } },
    });
    const Muster = sender(Session);
    assert.deepEqual(await asked('node-1', 'UpdateNodeInfo/v1', { Info: computeInfo('node-1'), Muster }), {
      value: { Accepted: false, Reason: 'node registration rejected', Muster: refused },
    });
    assert.deepEqual(await asked('node-1', 'UpdateResources/v1', update('node-1', { Muster })), {
      error: 'node registration rejected',
      value: { Muster: refused },
    });
    assert.equal(resources.get('node-1'), undefined);
    assert.equal(counters.requestsRefused, 3);
    await asked('node-1', 'Leave/v1', { NodeID: 'node-1', Muster });
    assert.deepEqual(calls, ['left node-1: ']);
  });

  test('that was deleted gets an answer that says so, but may register', async () => {
    const { asked, register, roll } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
    const Muster = sender(Session);
    const deleted = {
      error: 'node was deleted',
      value: { Muster: musterMember({ Membership: '', Code: 'deleted' }) },
    };
    assert.deepEqual(
      await asked('node-1', 'UpdateNodeInfo/v1', { Info: computeInfo('node-1'), Muster }),
      deleted,
    );
    assert.deepEqual(await asked('node-1', 'UpdateResources/v1', update('node-1', { Muster })), deleted);
    assert.deepEqual(await asked('node-1', 'Leave/v1', { NodeID: 'node-1', Muster }), deleted);
    assert.equal((await register('node-1', sender(Session))).value.Muster.Code, 'registered');
  });

  test('that was just deleted by another program is refused after the store was asked', async () => {
    const { asked, broker, register, roll } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    roll.stop();
    foreignWrite(broker, 'node-1', undefined);
    const report = { Info: computeInfo('node-1', { zone: 'b' }), Muster: sender(Session) };
    const answer = await asked('node-1', 'UpdateNodeInfo/v1', report);
    assert.equal(answer.error, 'node was deleted');
    assert.equal(answer.value.Muster.Code, 'deleted');
  });

  test('that is deleted at another requester before its registration is answered gets an answer that says so', async () => {
    const { asked, broker, register, roll } = await begin();
    const bucket = await (await broker.connect().storage()).bucket(nodeBucket);
    let deletes = true;
    await bucket.watch(({ key, marker }) => {
      if (key !== 'node-1' || marker || !deletes) return;
      deletes = false;
      foreignWrite(broker, key, undefined);
    });
    const answer = await register('node-1', sender());
    assert.equal(roll.records.get('node-1'), undefined);
    assert.deepEqual(answer, {
      value: {
        Accepted: false,
        Reason: 'node was deleted',
        Muster: musterMember({ Membership: '', Code: 'deleted' }),
      },
    });
    const { Session } = (await register('node-1', sender())).value.Muster;
    deletes = true;
    const report = { Info: computeInfo('node-1', { zone: 'b' }), Muster: sender(Session) };
    assert.equal((await asked('node-1', 'UpdateNodeInfo/v1', report)).value.Muster.Code, 'deleted');
  });

  test('that is unknown creates nothing except by a registration', async () => {
    const { asked, calls, open, broker } = await begin();
    const Muster = sender('s-9');
    const unknown = {
      error: 'node node-9 not connected - handshake required',
      value: { Muster: musterMember({ Membership: '', Code: 'handshake_required' }) },
    };
    assert.deepEqual(
      await asked('node-9', 'UpdateNodeInfo/v1', { Info: computeInfo('node-9'), Muster }),
      unknown,
    );
    assert.deepEqual(await asked('node-9', 'UpdateResources/v1', update('node-9', { Muster })), unknown);
    assert.deepEqual(await asked('node-9', 'Leave/v1', { NodeID: 'node-9', Muster }), unknown);
    assert.deepEqual(calls, []);
    assert.equal(open.roll.records.size, 1);
    assert.equal(broker.openBucket('node_v1').revision, 1);
  });

  test('under the id of a requester is refused, also while its record is missing', async () => {
    const { asked, broker, clock, register, roll } = await begin();
    const conflict = { Code: 'conflict', Membership: 'APPROVED' };
    const reason =
      'node-0 is the id of a requester: give the node another, by node.id or MUSTER_NODE_ID, and start it again';
    assert.deepEqual(await register('node-0', sender()), {
      value: { Accepted: false, Reason: reason, Muster: musterMember(conflict) },
    });
    assert.deepEqual(await asked('node-0', 'UpdateResources/v1', update('node-0', { Muster: sender() })), {
      error: reason,
      value: { Muster: musterMember(conflict) },
    });
    broker.wipe();
    broker.start();
    await clock.settle();
    assert.equal((await register('node-0', sender())).value.Muster.Code, 'conflict');
    assert.equal(roll.records.size, 0);
  });

  test('with another type, too much information, or beyond maxPending is refused with the reason', async () => {
    const { asked, register, counters, calls, open } = await begin({ maxPending: 1 });
    const odd = { ...computeInfo('node-1'), NodeType: 'Requester' };
    const type = await asked('node-1', 'RegisterNode/v1', { Info: odd, Muster: sender() });
    assert.deepEqual(
      [type.value.Reason, type.value.Muster.Code],
      ['node is not a compute node', 'not_compute'],
    );
    const large = computeInfo(
      'node-1',
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i}`, 'x'.repeat(900)])),
    );
    const size = await asked('node-1', 'RegisterNode/v1', { Info: large, Muster: sender() });
    assert.equal(size.value.Muster.Code, 'malformed');
    await register('node-1', sender());
    open.waiting.markHeard('node-1');
    const full = await register('node-2', sender());
    assert.equal(full.value.Muster.Code, 'full');
    assert.equal(full.value.Muster.Session, undefined);
    assert.match(full.value.Reason, /requester\.maxPending/);
    assert.deepEqual(calls, []);
    assert.equal(counters.requestsRefused, 3);
  });
});

test('a node that another program stored without a session counts as a Bacalhau node', async () => {
  const { asked, broker, clock, calls } = await begin();
  foreignWrite(broker, 'node-9', JSON.stringify(record('node-9', 'APPROVED')));
  await clock.settle();
  assert.deepEqual(await asked('node-9', 'UpdateResources/v1', update('node-9')), { value: {} });
  assert.deepEqual(calls, ['alive node-9']);
});
