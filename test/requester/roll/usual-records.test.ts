// A record of a known kind is read as the schema reads it, with the parts of an earlier one, and any other is left to the schema.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson, writeJson } from '../../../agent/protocol/json.ts';
import { type NodeState, neverConnected, nodeStateSchema } from '../../../agent/protocol/node-state.ts';
import { validateStored } from '../../../agent/protocol/schema.ts';
import { withUnknown } from '../../../agent/protocol/unknown-members.ts';
import { UsualRecords } from '../../../agent/requester/roll/usual-records.ts';
import { nodeStates } from '../../support/messages.ts';
import { computeInfo } from '../samples.ts';

const capacity = { CPU: 6.4, Memory: 26_931_553_894, Disk: 361_204_318_208 };
const gpu = { Index: 0, Name: 'A100', Vendor: 'NVIDIA', Memory: 81_920, PCIAddress: '0000:3b:00.0' };
const change = {
  Kind: 'registered',
  Revision: 0,
  At: '2026-01-01T00:00:00Z',
  Previous: '',
  Current: 'PENDING',
};

/** Returns a record as an agent of muster has it. */
function usual(id: string, info: Partial<NodeState['Info']> = {}, more: Partial<NodeState> = {}): NodeState {
  const { NodeID, NodeType, Labels, SupportedProtocols, BacalhauVersion, ComputeNodeInfo } = computeInfo(id);
  const stored = { QueueCapacity: {}, AvailableCapacity: {}, RunningExecutions: 0 };
  return {
    Info: {
      NodeID,
      NodeType,
      Labels,
      SupportedProtocols,
      ComputeNodeInfo: { ...ComputeNodeInfo, ...stored, MaxCapacity: capacity, MaxJobRequirements: capacity },
      BacalhauVersion,
      Hostname: `${id}.example.net`,
      Host: { Kernel: '6.12', CPUs: 8 },
      Agent: { Version: '1.2.3' },
      ...info,
    },
    Membership: 'APPROVED',
    Connection: 'DISCONNECTED',
    ConnectionState: neverConnected,
    Muster: {
      Session: `s-${id}`,
      Version: '1.2.3',
      RegisteredAt: change.At,
      FirstRegisteredAt: change.At,
      Store: 'i',
    },
    ...more,
  };
}

const withGpu = { ...capacity, GPU: 1, GPUs: [gpu] };
const samples: NodeState[] = [
  usual('n-1'),
  usual('n-2', { Host: { Kernel: '6.18', CPUs: 4 } }),
  usual('n-3', {
    ComputeNodeInfo: {
      ...usual('n-3').Info.ComputeNodeInfo,
      MaxCapacity: withGpu,
      MaxJobRequirements: withGpu,
    },
  }),
  usual('n-4', {}, { Membership: 'PENDING', Muster: { Session: 's', Operation: 'o', Changes: [change] } }),
  (() => {
    const { Agent, ...info } = usual('n-5').Info;
    return { ...usual('n-5'), Info: { ...info, Address: { IP: '192.0.2.7', Why: 'the route' }, Agent } };
  })(),
];

const bytesOf = (state: unknown) => Buffer.from(writeJson(withUnknown(state)));
const plain = (bytes: Buffer) => validateStored(nodeStateSchema, parseJson(bytes));

function knowing(states: readonly NodeState[]): UsualRecords {
  const records = new UsualRecords();
  for (const state of states) records.learn(bytesOf(state), plain(bytesOf(state)));
  return records;
}

/** Asserts that bytes are read as by the schema, if they are read. Returns whether they are. */
function isReadAlike(records: UsualRecords, bytes: Buffer): boolean {
  const read = records.read(bytes);
  if (!read) return false;
  const expected = plain(bytes);
  assert.deepEqual(read, expected);
  assert.equal(JSON.stringify(read), JSON.stringify(expected));
  return true;
}

test('a record of the kind of an earlier one has the parts of that, and its own', () => {
  for (const sample of samples) {
    const records = new UsualRecords();
    const { Info, Muster } = sample;
    const other = bytesOf({
      ...sample,
      Info: { ...Info, NodeID: 'other', Labels: { zone: 'b' }, Hostname: 'h' },
      Muster: { ...Muster, Session: 's-other' },
    });
    assert.equal(records.read(other), undefined, 'nothing is known yet');
    const first = plain(bytesOf(sample));
    records.learn(bytesOf(sample), first);
    assert.ok(isReadAlike(records, bytesOf(sample)), Info.NodeID);
    assert.ok(isReadAlike(records, other), Info.NodeID);
    const read = records.read(other);
    for (const name of ['SupportedProtocols', 'BacalhauVersion', 'Host', 'Agent'] as const)
      assert.equal(read?.Info[name], first.Info[name], name);
    assert.equal(read?.Info.ComputeNodeInfo.ExecutionEngines, first.Info.ComputeNodeInfo.ExecutionEngines);
    assert.equal(read?.ConnectionState, first.ConnectionState);
  }
});

test('a record of another kind, or with anything more or unusual, is left to the schema', () => {
  const [sample] = samples as [NodeState];
  const { Info, Muster } = sample;
  const records = knowing([sample]);
  const others: unknown[] = [
    { ...sample, Membership: 'REJECTED' },
    { ...sample, Info: { ...Info, Host: { Kernel: '6.13' } } },
    { ...sample, Info: { ...Info, Later: 1 } },
    { ...sample, Muster: { ...Muster, Later: 1 } },
    { ...sample, Info: { ...Info, Labels: { zone: 'ä' } } },
    { ...sample, Info: { ...Info, Labels: { zone: '<' } } },
    { ...sample, Info: { ...Info, NodeID: 'a b' } },
    { ...sample, Muster: { ...Muster, RegisteredAt: 'today' } },
  ];
  for (const other of others) {
    const bytes = bytesOf(other);
    assert.equal(records.read(bytes), undefined, String(bytes));
    records.learn(bytes, sample);
    assert.equal(records.read(bytes), undefined, String(bytes));
  }
  assert.ok(records.read(bytesOf(sample)));
});

test('any records are read as by the schema, or left to it', () => {
  const records = knowing(samples);
  const members = fc.constantFrom(...samples);
  fc.assert(
    fc.property(members, nodeStates, fc.boolean(), (sample, { Info, Muster, Membership }, isOwn) => {
      const { Labels, Hostname } = Info;
      const changed = { ...sample.Info, Labels, ...(Hostname === undefined ? {} : { Hostname }) };
      const bytes = bytesOf({
        ...sample,
        Info: isOwn ? changed : Info,
        Membership: isOwn ? sample.Membership : Membership,
        ...(Muster ? { Muster } : {}),
      });
      isReadAlike(records, bytes);
      if (!isOwn) records.learn(bytes, plain(bytes));
      isReadAlike(records, bytes);
    }),
    { numRuns: 1_000 },
  );
  for (const sample of samples) assert.ok(isReadAlike(records, bytesOf(sample)));
});

test('a text that differs from a known record in any one place is read as by the schema, or left to it', () => {
  const records = knowing(samples);
  const texts = samples.map(sample => String(bytesOf(sample)));
  const places = fc.constantFrom(...texts).chain(text => fc.tuple(fc.constant(text), fc.nat(text.length)));
  const piece = fc
    .constantFrom(...texts)
    .chain(text =>
      fc.tuple(fc.nat(text.length), fc.nat(40)).map(([at, length]) => text.slice(at, at + length)),
    );
  const put = fc.oneof(
    piece,
    fc.string({ maxLength: 3 }),
    fc.constantFrom('"', '}', ',', '{}', '1e3', '-0', '\u00e4'),
  );
  const seen = { read: 0 };
  fc.assert(
    fc.property(places, fc.nat(12), put, ([text, at], removed, added) => {
      if (isReadAlike(records, Buffer.from(text.slice(0, at) + added + text.slice(at + removed))))
        seen.read++;
    }),
    { numRuns: 6_000 },
  );
  assert.ok(seen.read > 0);
});

test('labels with the names of other members are read as by the schema, or left to it', () => {
  const names = [
    'SupportedProtocols',
    'MaxCapacity',
    'QueueCapacity',
    'Hostname',
    'Host',
    'Address',
    'Agent',
    'Muster',
  ];
  const value = fc.constantFrom('', 'h', '}', '},"Muster":{', '{"IP":"192.0.2.7"}');
  const labels = fc.dictionary(fc.constantFrom(...names, 'zone'), value, { maxKeys: 3 });
  const records = knowing(samples);
  const seen = { read: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...samples), labels, fc.option(labels), (sample, ofNode, ofCluster) => {
      const { Info, Muster } = sample;
      const more = ofCluster ? { Labels: ofCluster } : {};
      const state = { ...sample, Info: { ...Info, Labels: ofNode }, Muster: { ...Muster, ...more } };
      const bytes = bytesOf(state);
      if (isReadAlike(records, bytes)) seen.read++;
      const others = knowing([plain(bytes)]);
      isReadAlike(others, bytes);
      isReadAlike(others, bytesOf(sample));
    }),
    { numRuns: 1_000 },
  );
  assert.ok(seen.read > 0);
});

test('a record whose members are in another place is left to the schema', () => {
  const [sample, , , , withAddress] = samples as [NodeState, NodeState, NodeState, NodeState, NodeState];
  const records = knowing(samples);
  const moved = (text: string, member: RegExp, before: string) => {
    const [piece = ''] = member.exec(text) ?? [];
    assert.ok(piece !== '' && text.includes(before));
    return text.replace(piece, '').replace(before, piece + before);
  };
  const text = String(bytesOf(sample));
  const addressed = String(bytesOf(withAddress));
  for (const other of [
    moved(addressed, /,"Address":\{[^}]*\}/, ',"Host":'),
    moved(text, /,"Hostname":"[^"]*"/, ',"SupportedProtocols":'),
    moved(text, /,"NodeType":"[^"]*"/, ',"SupportedProtocols":'),
    text.replace(',"Hostname":', ',"Hostname":"a","Hostname":'),
    text.replace(',"Labels":', ',"Hostname":"a","Labels":'),
    text.replace('"Muster":{', '"Muster":{"Info":{},'),
    text.replace(/,"Muster":.*\}$/, ',"Muster":{}}'),
    `${text} `,
    `${text}}`,
  ])
    isReadAlike(records, Buffer.from(other));
  assert.equal(records.read(Buffer.from(moved(addressed, /,"Address":\{[^}]*\}/, ',"Host":'))), undefined);
});

test('a fleet of too many kinds is left to the schema, and what was known stays known', () => {
  const [sample] = samples as [NodeState];
  const records = knowing([sample]);
  const ofKind = (kind: number) => bytesOf(usual('n-1', { Host: { Kernel: `6.${kind}` } }));
  for (let kind = 100; kind < 1_200; kind++) records.learn(ofKind(kind), plain(ofKind(kind)));
  assert.ok(isReadAlike(records, bytesOf(sample)));
  assert.ok(isReadAlike(records, ofKind(100)));
  assert.equal(records.read(ofKind(1_199)), undefined);
});
