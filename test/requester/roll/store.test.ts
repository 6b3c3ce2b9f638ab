// Tests how records are read and written, and what happens to a write whose answer is lost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { NodeState, RecordedChange } from '../../../agent/protocol/node-state.ts';
import { WaitingEvents, waitingEvent } from '../../../agent/requester/events/waiting-events.ts';
import {
  changesOf,
  isNodeKey,
  nodeBucket,
  readEntry,
  type WriteRequest,
  write,
} from '../../../agent/requester/roll/store.ts';
import type { BucketEntry } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { nodeStates } from '../../support/messages.ts';
import { at, bacalhauRecord, computeInfo, record } from '../samples.ts';
import { stored } from './roll-fixture.ts';

const entry = (key: string, value: string | Uint8Array, more: Partial<BucketEntry> = {}): BucketEntry => ({
  key,
  value: Buffer.from(value),
  revision: 7,
  marker: false,
  headers: {},
  created: new Date(at),
  ...more,
});

const change = (kind: RecordedChange['Kind'], revision = 0, reason?: string): RecordedChange => ({
  Kind: kind,
  Revision: revision,
  At: at,
  Previous: 'PENDING',
  Current: 'APPROVED',
  ...(reason === undefined ? {} : { Reason: reason }),
});

/** Returns a change whose texts are as long as they may be. */
const longest = (kind: RecordedChange['Kind'], revision: number, text: string): RecordedChange => ({
  ...change(kind, revision, text.repeat(1_024)),
  Actor: text.repeat(256),
  ClaimedActor: text.repeat(256),
});

async function emptyBucket() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const bucket = await (await connection.storage()).bucket(nodeBucket);
  /** Waits for a write. Time passes for a write that times out. */
  const finish = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => undefined);
    await clock.advance(20_000);
    return work;
  };
  const put = (
    state: NodeState | 'deleted',
    revision: number,
    more: Partial<Pick<WriteRequest, 'changes' | 'operation' | 'registration'>> = {},
  ) =>
    finish(
      write(bucket, {
        id: 'node-1',
        state,
        changes: [],
        revision,
        operation: 'o-1',
        incarnation: 's1',
        ...more,
      }),
    );
  return { clock, broker, connection, bucket, put, finish };
}

describe('an entry', () => {
  test('that is missing reads as absent, and a marker as deleted', () => {
    assert.deepEqual(readEntry(undefined), { kind: 'absent', revision: 0 });
    // A marker that names no change, such as one that `muster store rebuild` wrote, has the time of the broker.
    assert.deepEqual(readEntry(entry('node-1', '', { marker: true })), {
      kind: 'deleted',
      revision: 7,
      at: entry('node-1', '').created.toISOString(),
    });
  });

  const state = record('node-1', 'APPROVED');
  const odd: [string, string | Uint8Array][] = [
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['half a record', bacalhauRecord('node-1').slice(0, 300)],
    ['no text', Uint8Array.of(0xff, 0xfe)],
    ['a list', '[]'],
    ['a record of another node', JSON.stringify(record('node-2', 'APPROVED'))],
    ['no node', '{}'],
    ['no type', JSON.stringify({ ...state, Info: { ...state.Info, NodeType: '' } })],
    [
      'a type nobody knows',
      JSON.stringify({ ...state, Info: { ...state.Info, NodeType: 'nodeTypeUndefined' } }),
    ],
    ['a membership that is no text', JSON.stringify({ ...state, Membership: 1 })],
    ['a label that is no text', JSON.stringify({ ...state, Info: { ...state.Info, Labels: { a: 1 } } })],
    ['a time that is none', JSON.stringify({ ...state, Muster: { RegisteredAt: 'yesterday' } })],
    ['more than 64 KiB', JSON.stringify({ ...state, Padding: 'x'.repeat(65_536) })],
    ['deep nesting', `{"Info":${'['.repeat(50)}${']'.repeat(50)}}`],
  ];
  for (const [what, value] of odd) {
    test(`with ${what} reads as unreadable and throws nothing`, () => {
      assert.deepEqual(readEntry(entry('node-1', value)), { kind: 'unreadable', revision: 7 });
      assert.deepEqual(changesOf(entry('node-1', value), readEntry(entry('node-1', value))), []);
    });
  }

  test('whose key cannot be a node id is ignored', () => {
    for (const key of ['node-1', 'n_1', 'A'.repeat(128)]) assert.ok(isNodeKey(key), key);
    for (const key of ['', 'node.1', 'node/1', 'node=1', 'A'.repeat(129), 'nöde'])
      assert.ok(!isNodeKey(key), key);
  });
});

describe('a record that Bacalhau wrote', () => {
  const older = bacalhauRecord('node-1')
    .replace('"SupportedProtocols":["bprotocol/v2","ncl/v1"],', '')
    .replace(',"address":""', '')
    .replace(/,"ConnectionState":.*$/, '}');
  for (const [version, bytes] of [
    ['1.6', bacalhauRecord('node-1')],
    ['1.4', older],
  ] as const) {
    test(`(${version}) is read, and only the decision changes when it is written back`, async () => {
      const { broker, put } = await emptyBucket();
      const read = readEntry(entry('node-1', bytes));
      assert.ok(read.kind === 'record');
      assert.equal(read.state.Membership, 'APPROVED');
      await put({ ...read.state, Membership: 'REJECTED' }, 0);
      assert.equal(
        stored(broker, 'node-1'),
        `${bytes.replace('APPROVED', 'REJECTED').slice(0, -1)},"Muster":{"Operation":"o-1","Store":"s1"}}`,
      );
    });
  }

  test('with other upper and lower case and with unknown members is read as Go reads it', () => {
    const text = bacalhauRecord('node-1')
      .replace('"NodeType":"Compute"', '"nodetype":" compute "')
      .replace('"Membership":"APPROVED"', '"membership":"APPROVED","Later":{"a":[1]}');
    const read = readEntry(entry('node-1', text));
    assert.ok(read.kind === 'record');
    assert.equal(read.state.Info.NodeType, 'Compute');
    assert.equal(read.state.Membership, 'APPROVED');
    assert.ok(!('Later' in read.state));
  });

  test('with an unknown membership has none', () => {
    for (const name of ['', 'approved', 'UNKNOWN', 'toString']) {
      const read = readEntry(entry('node-1', bacalhauRecord('node-1').replace('APPROVED', name)));
      assert.ok(read.kind === 'record');
      assert.equal(read.state.Membership, '');
    }
  });
});

test('any record is read as it was written', async () => {
  const { bucket, put } = await emptyBucket();
  let revision = 0;
  await fc.assert(
    fc.asyncProperty(nodeStates, fc.constantFrom('Compute', 'Requester'), async (any, type) => {
      const { Changes, ...muster } = { ...any.Muster, Operation: 'o-1', Store: 's1' };
      const state: NodeState = {
        ...any,
        Info: { ...any.Info, NodeID: 'node-1', NodeType: type },
        Muster: muster,
      };
      const changes = Changes ?? [];
      revision = (await put(state, revision, { changes })) ?? 0;
      const read = readEntry(await bucket.get('node-1'));
      assert.ok(read.kind === (any.Muster?.Arrival ? 'arriving' : 'record'));
      assert.deepEqual(read.state, {
        ...state,
        Muster: changes.length > 0 ? { ...muster, Changes: changes } : muster,
      });
    }),
    { numRuns: 50 },
  );
});

describe('the changes whose events are not acknowledged', () => {
  test('are in the record, and the last has the revision of its write', async () => {
    const { bucket, put } = await emptyBucket();
    const first = await put(record('node-1', 'PENDING'), 0);
    const second = await put(record('node-1', 'APPROVED'), first ?? 0, {
      changes: [change('registered', first), change('approved')],
    });
    const stands = await bucket.get('node-1');
    assert.ok(stands);
    assert.deepEqual(
      changesOf(stands, readEntry(stands)).map(({ Kind, Revision }) => [Kind, Revision]),
      [
        ['registered', first],
        ['approved', second],
      ],
    );
  });

  test('are in the marker of a deletion, with any text as its reason', async () => {
    const reason = 'malicious node?\r\nKV-Operation: "PUT" \u2028 Ω😀 \ud800';
    const { bucket, put } = await emptyBucket();
    const first = await put(record('node-1', 'PENDING'), 0);
    const second = await put('deleted', first ?? 0, { changes: [change('deleted', 0, reason)] });
    const stands = await bucket.get('node-1');
    assert.ok(stands?.marker);
    for (const header of Object.values(stands.headers)) assert.match(header, /^[\x20-\x7e]*$/);
    const [deleted] = changesOf(stands, readEntry(stands));
    assert.deepEqual([deleted?.Kind, deleted?.Revision, deleted?.Reason], ['deleted', second, reason]);
  });

  test('are in it beside the last registration of the node, unless no header can contain that', async () => {
    const { bucket, put } = await emptyBucket();
    const changes = [change('deleted')];
    let revision = (await put(record('node-1', 'PENDING'), 0)) ?? 0;
    for (const [instance, expected] of [
      ['i-1', { instance: 'i-1', attempt: 3 }],
      ['i\r\nKV-Operation: PUT', undefined],
      ['', undefined],
    ] as const) {
      revision = (await put('deleted', revision, { changes, registration: { instance, attempt: 3 } })) ?? 0;
      const read = readEntry(await bucket.get('node-1'));
      assert.deepEqual(read.kind === 'deleted' && read.registration, expected);
    }
  });

  test('are not found in a marker of another program, or in one that was changed', () => {
    for (const header of [
      '',
      '!',
      Buffer.from('{}').toString('base64'),
      Buffer.from('[1]').toString('base64'),
    ]) {
      const marker = entry('node-1', '', { marker: true, headers: { 'Muster-Change': header } });
      assert.deepEqual(changesOf(marker, readEntry(marker)), []);
    }
  });

  test('are removed from the record by the first write after their acknowledgement', async () => {
    const { broker, put } = await emptyBucket();
    const state = record('node-1', 'PENDING', { Muster: { Changes: [change('registered', 1)] } });
    await put(state, 0);
    assert.doesNotMatch(stored(broker, 'node-1'), /Changes/);
  });

  test('never make a record too large: only the newest are kept', async () => {
    const { bucket, put } = await emptyBucket();
    const changes = Array.from({ length: 200 }, (_, i) => change('updated', i + 1, '\u0001'.repeat(1_024)));
    let revision = await put(record('node-1', 'PENDING'), 0, { changes });
    const kept = async () => {
      const stands = await bucket.get('node-1');
      assert.ok(stands);
      return changesOf(stands, readEntry(stands)).map(({ Revision }) => Revision);
    };
    assert.deepEqual(await kept(), [197, 198, 199, 200]);
    revision = await put(record('node-1', 'PENDING'), revision ?? 0, {
      changes: changes.map(({ Reason, ...each }) => each),
    });
    assert.deepEqual(
      await kept(),
      Array.from({ length: 64 }, (_, i) => 137 + i),
    );
    await put('deleted', revision ?? 0, { changes });
    assert.deepEqual(await kept(), [197, 198, 199, 200]);
  });

  test('have room in a record as long as they wait, with the change for which it is written', async () => {
    const texts = ['\u0001', '漢', 'x', ''];
    for (const text of texts) {
      const { bucket, put } = await emptyBucket();
      const waiting = new WaitingEvents({ log: recordLog().log, clock: new FakeClock() });
      for (let i = 1; i <= 100; i++)
        waiting.add('node-1', waitingEvent('node-1', longest('approved', i, text)));
      const changes = [...waiting.changesOf('node-1'), longest('rejected', 0, '\u0001')];
      await put(record('node-1', 'PENDING'), 0, { changes });
      const stands = await bucket.get('node-1');
      assert.ok(stands);
      assert.equal(changesOf(stands, readEntry(stands)).length, changes.length, text);
    }
  });

  test('a record that would be too large to be read again is not written', async () => {
    const { bucket, put } = await emptyBucket();
    const large = record('node-1', 'PENDING', { Info: computeInfo('node-1', { a: 'x'.repeat(65_000) }) });
    await assert.rejects(put(large, 0), {
      name: 'BrokerError',
      fault: 'refused',
      message: /node-1.* bytes; allowed: 65536$/,
      remedy: /node\.labels/,
    });
    assert.equal(await bucket.get('node-1'), undefined);
  });
});

describe('a write', () => {
  const state = record('node-1', 'PENDING');

  test('fails when somebody else wrote first', async () => {
    const { put } = await emptyBucket();
    const first = await put(state, 0, { operation: 'o-1' });
    assert.ok(first);
    assert.equal(await put(state, 0, { operation: 'o-2' }), undefined);
    assert.equal(await put('deleted', first + 5, { operation: 'o-3' }), undefined);
  });

  for (const fault of ['timeout', 'disconnected', 'no_responders'] as const) {
    for (const kind of ['put', 'purge'] as const) {
      test(`(${kind}) whose answer is lost (${fault}) has succeeded when its operation is found`, async () => {
        const { broker, put } = await emptyBucket();
        const first = await put(state, 0, { operation: 'o-0' });
        broker.failNext(kind, { fault, applied: true });
        const revision = await put(kind === 'put' ? state : 'deleted', first ?? 0);
        assert.equal(revision, broker.openBucket('node_v1').revision);
      });

      test(`(${kind}) that the broker never received (${fault}) fails`, async () => {
        const { broker, put } = await emptyBucket();
        const first = await put(state, 0, { operation: 'o-0' });
        broker.failNext(kind, { fault });
        await assert.rejects(put(kind === 'put' ? state : 'deleted', first ?? 0), { fault });
        assert.equal(broker.openBucket('node_v1').revision, first);
      });
    }
  }

  test('has succeeded when its own earlier attempt is found', async () => {
    const { put } = await emptyBucket();
    const first = await put(state, 0);
    assert.equal(await put(state, 0), first);
  });

  test('fails when it cannot be found out whether it was stored', async () => {
    const { broker, put } = await emptyBucket();
    broker.failNext('put', { fault: 'timeout', applied: true });
    broker.failNext('get', { fault: 'timeout' });
    await assert.rejects(put(state, 0), { fault: 'timeout' });
  });

  test('without an answer may stand, also when the store has no quorum by the time it is read back', async () => {
    const { broker, put } = await emptyBucket();
    broker.failNext('put', { fault: 'timeout', applied: true });
    broker.failNext('get', { fault: 'no_quorum' });
    await assert.rejects(put(state, 0), { fault: 'timeout' });
  });

  test('that the broker refuses is not read back', async () => {
    const { broker, put } = await emptyBucket();
    broker.failNext('put', { fault: 'refused' });
    broker.failNext('get', { fault: 'timeout' });
    await assert.rejects(put(state, 0), { fault: 'refused' });
  });
});
