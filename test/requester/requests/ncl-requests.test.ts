// Tests the answers to Bacalhau's newer protocol, byte for byte against those of a recorded orchestrator.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ControlError } from '../../../agent/protocol/ncl-error.ts';
import { controlWildcard, requestersQueue } from '../../../agent/protocol/subjects.ts';
import { ncl } from '../../../agent/requester/requests/request-protocols.ts';
import { rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { capture, envelopeOf, probes } from '../../support/captures.ts';
import { protobufEnvelope } from '../../support/protobuf.ts';
import { begin, decision } from './requests-fixture.ts';

const id = 'n-probe';
const subject = `bacalhau.global.compute.${id}.out.ctrl`;

interface Asked {
  type: string;
  payload: unknown;
  keys?: 'both' | 'new' | 'old';
  encoding?: string;
}

/** Returns a request as an envelope. */
function request({ type, payload, keys = 'both', encoding = 'json' }: Asked): Buffer {
  const metadata = {
    ...(keys === 'old' ? {} : { 'Bacalhau-Type': type, 'Bacalhau-PayloadEncoding': encoding }),
    ...(keys === 'new' ? {} : { Type: type, PayloadEncoding: encoding }),
  };
  return envelopeOf(JSON.stringify({ metadata, payload }));
}

const handshake = (NodeInfo: object, more: object = {}, keys: Asked['keys'] = 'both') =>
  request({ type: 'transport.HandshakeRequest', payload: { NodeInfo, ...more }, keys });
const node = { NodeID: id, NodeType: 'Compute' };
const beat = (more: object = {}) =>
  request({ type: 'transport.HeartbeatRequest', payload: { NodeID: id, ...more } });
const shutdown = request({ type: 'transport.ShutdownNoticeRequest', payload: { NodeID: id } });
const update = request({ type: 'transport.UpdateNodeInfoRequest', payload: { NodeInfo: node } });

/** Returns what an answer says. No two answers share their time, which is constant in errors. */
function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('{"metadata"')).replace(/("Bacalhau-EventTime":)"\d+"/, '$1"TS"');
}

async function shaken() {
  const all = await begin();
  const ask = async (bytes: Uint8Array) => bodyOf(await all.send(subject, bytes));
  return { ...all, ask };
}

describe('what a requester answers to a control request', () => {
  const asUnknown: [probe: string, bytes: Buffer][] = [
    ['heartbeat unknown', beat()],
    ['update unknown', update],
    ['shutdown unknown', shutdown],
    ['handshake requester type', handshake({ ...node, NodeType: 'Requester' })],
    ['handshake missing type', handshake({ NodeID: id })],
    ['handshake minimal, no headers, no legacy keys', handshake(node, {}, 'new')],
    ['handshake lower-case NodeType + minimal', handshake({ ...node, NodeType: ' compute ' })],
    ['handshake legacy keys only', handshake(node, {}, 'old')],
    [
      'handshake unknown fields + case-insensitive keys',
      request({
        type: 'transport.HandshakeRequest',
        payload: { nodeinfo: { nodeid: id, NODETYPE: 'Compute', labels: null, more: 1 }, other: {} },
      }),
    ],
    [
      'handshake missing GPU vendor unusual',
      handshake({ ...node, ComputeNodeInfo: { MaxCapacity: { GPU: 1, GPUs: [{ Vendor: 'Other' }] } } }),
    ],
    ['unknown type', request({ type: 'transport.Nope', payload: {} })],
    ['registered non-control type', request({ type: 'BidResult', payload: {} })],
    [
      'missing encoding',
      envelopeOf('{"metadata":{"Bacalhau-Type":"transport.HeartbeatRequest"},"payload":{}}'),
    ],
    ['bad crc', Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), beat().subarray(5)])],
    ['bad version', Buffer.concat([Buffer.from([9]), beat().subarray(1)])],
    ['too short', Buffer.from([1, 2, 3])],
    ['empty', Buffer.alloc(0)],
  ];
  for (const [name, bytes] of asUnknown)
    test(`${name}: as recorded`, async () => {
      const { ask } = await shaken();
      assert.equal(await ask(bytes), probes.get(name));
    });

  // Bacalhau's text ends in that of Go for the fault.
  const misfits: [probe: string, bytes: Buffer][] = [
    ['handshake bad type', handshake({ ...node, NodeType: 'nodeTypeUndefined' })],
    ['handshake CPU as string', handshake({ ...node, ComputeNodeInfo: { AvailableCapacity: { CPU: '1' } } })],
    [
      'handshake fractional memory',
      handshake({ ...node, ComputeNodeInfo: { AvailableCapacity: { Memory: 1.5 } } }),
    ],
    [
      'handshake 1e10 memory',
      handshake({ ...node, ComputeNodeInfo: { AvailableCapacity: { Memory: 1e21 } } }),
    ],
    ['handshake bad StartTime', handshake(node, { StartTime: 'yesterday' })],
  ];
  for (const [name, bytes] of misfits)
    test(`${name}: as recorded, with a detail of its own`, async () => {
      const { ask, roll } = await shaken();
      const detail = /(encoding json: )(?:[^"\\]|\\.)*/;
      const expected = probes.get(name)?.replace(detail, '$1…');
      assert.ok(expected?.includes('…'));
      assert.equal((await ask(bytes)).replace(detail, '$1…'), expected);
      assert.equal(roll.records.get(id), undefined);
    });

  test('heartbeat, update, shutdown and another handshake of a known node: as recorded', async () => {
    const { ask, calls } = await shaken();
    await ask(handshake(node));
    const of = (name: string) =>
      probes
        .get(name)
        ?.replace('"LastComputeSeqNum":5', '"LastComputeSeqNum":0')
        .replace('SeqNum":9', 'SeqNum":0');
    assert.equal(await ask(beat()), of('heartbeat ok'));
    assert.equal(await ask(update), of('update reject->accepted'));
    assert.equal(await ask(shutdown), of('shutdown ok'));
    assert.equal(await ask(handshake(node)), of('re-handshake'));
    assert.deepEqual(calls, [`alive ${id}`, `alive ${id}`, `left ${id}: `, `alive ${id}`]);
  });

  test('the protocol that a node spoke last is noted, whichever it was', async () => {
    const { ask, send, resources } = await shaken();
    await ask(handshake(node));
    assert.equal(resources.get(id)?.protocol, 'ncl/v1');
    await send(`node.management.${id}.UpdateResources/v1`, JSON.stringify({ NodeID: id }));
    assert.equal(resources.get(id)?.protocol, 'bprotocol/v2');
    await ask(beat());
    assert.equal(resources.get(id)?.protocol, 'ncl/v1');
  });

  test('a message without metadata, or with null there, is refused politely', async () => {
    const { ask } = await shaken();
    for (const body of ['{"payload":{}}', '{"metadata":null,"payload":{}}', '{"metadata":[],"payload":{}}'])
      assert.match(
        await ask(envelopeOf(body)),
        /"Cause":"failed to deserialize request: failed to deserialize message envelope: metadata/,
      );
  });

  test('a rejected node has to shake hands, and hears then that it was rejected', async () => {
    const { ask, roll } = await shaken();
    await ask(handshake(node));
    await roll.decide(id, decision, rejectNode);
    for (const [name, bytes] of [
      ['heartbeat unknown', beat()],
      ['update unknown', update],
    ] as const)
      assert.equal(await ask(bytes), probes.get(name));
    const refused = {
      accepted: false,
      reason: 'node has been rejected',
      LastComputeSeqNum: 0,
      LastOrchestratorSeqNum: 0,
    };
    assert.deepEqual(JSON.parse(await ask(handshake(node))).payload, refused);
  });

  test('a write that lost against others is to be retried, and a store that is silent is no unknown node', async () => {
    const { ask, broker } = await shaken();
    broker.failNext('put', { fault: 'write_under_way' });
    const { metadata, payload } = JSON.parse(await ask(handshake(node)));
    assert.deepEqual(
      [metadata['Bacalhau-StatusCode'], metadata['Bacalhau-ErrorCode']],
      ['409', 'ConcurrentUpdate'],
    );
    assert.deepEqual(payload, {
      Cause: 'concurrent modification detected',
      Hint: 'Request should be retried',
      Retryable: true,
      FailsExecution: false,
      Component: 'NodesManager',
      HTTPStatusCode: 409,
      Details: null,
      Code: 'ConcurrentUpdate',
    });
    broker.failNext('put', { fault: 'timeout' });
    const silent = JSON.parse(await ask(handshake(node))).payload;
    assert.deepEqual([silent.Code, silent.HTTPStatusCode], ['', 0]);
    assert.match(silent.Cause, /^failed to process request: the node info store does not answer/);
  });
});

test('what is null, empty or missing is read as nothing, and a time may have 19 digits', async () => {
  const { send, roll, resources } = await begin();
  const none = {
    ExecutionEngines: null,
    Publishers: null,
    StorageSources: null,
    MaxCapacity: {},
    QueueCapacity: null,
  };
  const payload = { NodeInfo: { ...node, Labels: null, ComputeNodeInfo: none, BacalhauVersion: null } };
  const metadata = {
    'Bacalhau-EventTime': '1795502910108488046',
    'Bacalhau-PayloadEncoding': 'json',
    'Bacalhau-Type': 'transport.HandshakeRequest',
  };
  const answer = await send(subject, envelopeOf(JSON.stringify({ metadata, payload })));
  assert.match(answer, /"accepted":true,"reason":"node registered"/);
  const { Info } = roll.records.get(id) ?? {};
  assert.deepEqual([Info?.SupportedProtocols, Info?.ComputeNodeInfo.address], [undefined, undefined]);
  assert.deepEqual(resources.get(id)?.available, {});
});

test('a request in protobuf is answered as one in JSON', async () => {
  const { send } = await begin();
  const metadata = { 'Bacalhau-Type': 'transport.HandshakeRequest', 'Bacalhau-PayloadEncoding': 'json' };
  const body = protobufEnvelope({ metadata, payload: { NodeInfo: node } });
  const answer = await send(subject, envelopeOf(body, 2));
  assert.equal(bodyOf(answer), probes.get('handshake minimal, no headers, no legacy keys'));
});

test('a request that wants no answer is not carried out', async () => {
  const { node: peer, clock, roll } = await begin();
  peer.publish(subject, handshake(node));
  await clock.settle();
  await clock.advance(1_000);
  assert.equal(roll.records.get(id), undefined);
});

test('the requests of a node are carried out and answered in the order in which they came', async () => {
  const { node: peer, clock } = await begin();
  const answered: string[] = [];
  const ask = async (bytes: Uint8Array) => {
    const answer = await peer.request(subject, bytes, 60_000);
    answered.push(JSON.parse(bodyOf(Buffer.from(answer.data).toString())).metadata.Type);
  };
  const all = [handshake(node), beat(), update, shutdown].map(ask);
  await clock.settle();
  await clock.advance(15_000);
  await Promise.all(all);
  assert.deepEqual(
    answered,
    ['Handshake', 'Heartbeat', 'UpdateNodeInfo', 'ShutdownNotice'].map(type => `transport.${type}Response`),
  );
});

test('what another requester answers is noted in that order too', async () => {
  const peers = { areThere: true, mayHaveWritten: false };
  const { another, node: peer, send, calls, clock, subscription } = await begin({ requests: { peers } });
  subscription.hearOthers();
  await send(subject, handshake(node));
  const ask = (bytes: Uint8Array) => void peer.request(subject, bytes, 1_000).catch(() => undefined);
  ask(beat());
  another.subscribe(controlWildcard, () => undefined, requestersQueue);
  ask(shutdown);
  await clock.settle();
  assert.equal(calls.at(-1), `left ${id}: `, `the heartbeat came first: ${calls}`);
});

test('a handshake that another requester accepts is a sign of life, which the watch must not miss', async () => {
  const peers = { areThere: true, mayHaveWritten: false };
  const {
    another,
    node: peer,
    send,
    calls,
    clock,
    roll,
    subscription,
  } = await begin({ requests: { peers } });
  subscription.hearOthers();
  await send(subject, handshake(node));
  another.subscribe(controlWildcard, () => undefined, requestersQueue);
  const heardOf = async (NodeInfo: object): Promise<string[]> => {
    calls.length = 0;
    peer.request(subject, handshake(NodeInfo), 1_000).catch(() => undefined);
    await clock.settle();
    return [...calls];
  };
  assert.deepEqual(await heardOf(node), [`alive ${id}`]);
  assert.deepEqual(await heardOf({ ...node, NodeType: 'Requester' }), []);
  await roll.decide(id, decision, rejectNode);
  assert.deepEqual(await heardOf(node), []);
});

test('the id of a message comes back in the answer and in an error, unless it is far too long', () => {
  const { bytes } = capture('ncl/transport.HeartbeatRequest');
  const answered = (messageId: string): string => {
    const message = {
      data: bytes,
      header: (name: string) => (name === 'Bacalhau-MessageID' ? messageId : ''),
    };
    const { encode } = ncl.read(subject, message);
    const result = { form: 'empty', accepted: true, code: 'known', reason: '', muster: undefined } as const;
    return bodyOf(Buffer.from(encode(result, new Date())).toString());
  };
  assert.equal(answered('corr-42'), probes.get('heartbeat with NATS header MessageID'));
  assert.equal(answered('x'.repeat(129)), probes.get('heartbeat ok'));
  const error = ncl.encodeError('x', { data: bytes, header: () => 'corr-43' }, new ControlError('x'));
  assert.match(Buffer.from(error).toString(), /"Bacalhau-MessageID":"corr-43"/);
});
