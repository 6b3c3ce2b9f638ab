// Information that is what is known of a node is read as its schema reads it, and any other is left to the schema.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { registerRequestSchema } from '../../agent/protocol/messages.ts';
import { type NodeInfo, nodeInfoSchema, staticInfo } from '../../agent/protocol/node-info.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { readUsualInfo } from '../../agent/protocol/usual-info.ts';

const ofMachine = {
  NodeID: 'n-7c1d2a34-5b6e-4f70-8a91-000000000001',
  NodeType: 'Compute',
  Labels: { 'muster/arch': 'amd64', rack: 'r1' },
  SupportedProtocols: ['bprotocol/v2'],
  ComputeNodeInfo: {
    ExecutionEngines: null,
    Publishers: null,
    StorageSources: null,
    MaxCapacity: { CPU: 6.4, Memory: 26_931_553_894, Disk: 361_204_318_208 },
    QueueCapacity: {},
    AvailableCapacity: { CPU: 1.25, Memory: 26_931_553_000, Disk: 361_204_310_000 },
    MaxJobRequirements: { CPU: 6.4, Memory: 26_931_553_894, Disk: 361_204_318_208 },
    RunningExecutions: 0,
    EnqueuedExecutions: 0,
    address: '',
  },
  BacalhauVersion: {
    GitVersion: '',
    GitCommit: '',
    BuildDate: '0001-01-01T00:00:00Z',
    GOOS: 'linux',
    GOARCH: 'amd64',
  },
  Hostname: 'host-1',
  Host: { Kernel: '6.12', CPUs: 8 },
  Agent: { Version: '1.2.3' },
  Conditions: [{ Type: 'disk', Reason: 'full', Since: '2026-01-02T03:04:05Z' }],
};
const sender = { Version: '1.2.3', ClusterID: 'c-1', Session: 's-1', Instance: 'i-1', BootID: 'b-1' };
const usual = { Info: ofMachine, Muster: sender };
const asStored = (info: unknown): NodeInfo =>
  staticInfo(validate(nodeInfoSchema, parseJson(Buffer.from(writeJson(info)))));
const known = asStored(ofMachine);

/** Asserts that a text is read as by the schema, and says what is known, if it is read. Returns whether it is. */
function isReadAlike(text: string, ofNode = known): boolean {
  const bytes = Buffer.from(text);
  const read = readUsualInfo(bytes, ofNode);
  if (!read) return false;
  const plain = validate(registerRequestSchema, parseJson(bytes));
  assert.deepEqual(read.Muster, plain.Muster);
  assert.equal(JSON.stringify(read.Muster), JSON.stringify(plain.Muster));
  assert.equal(read.Info, ofNode);
  assert.deepEqual(staticInfo(plain.Info), ofNode);
  assert.equal(JSON.stringify(staticInfo(plain.Info)), JSON.stringify(ofNode));
  return true;
}

const withFree = (free: unknown) => ({
  ...ofMachine,
  ComputeNodeInfo: { ...ofMachine.ComputeNodeInfo, AvailableCapacity: free },
});

test('what an agent of muster sends again is read', () => {
  const { Host, Conditions, ...less } = ofMachine;
  for (const info of [ofMachine, less])
    for (const Muster of [sender, { ...sender, Authorities: ['a', 'b'] }, { Version: '1.2.3' }])
      assert.ok(isReadAlike(writeJson({ Info: info, Muster }), asStored(info)));
});

test('what is not what is known, or is no valid message, is left to the schema', () => {
  const text = writeJson(usual);
  const others = [
    writeJson({ ...usual, Info: { ...ofMachine, Hostname: 'host-2' } }),
    writeJson({ ...usual, Info: withFree({ CPU: -1, Memory: 1, Disk: 1 }) }),
    writeJson({ ...usual, Info: withFree({ CPU: 1, Memory: 1, Disk: 2 ** 60 }) }),
    writeJson({ ...usual, Muster: { ...sender, Session: 7 } }),
    writeJson({ ...usual, Muster: { ...sender, Session: 'x'.repeat(129) } }),
    writeJson({ ...usual, Muster: { ...sender, Deep: [[[]]] } }),
    writeJson({ Info: ofMachine }),
    writeJson({ ...usual, More: 1 }),
    text.replace('"Muster":', '"Muster":{},"Muster":'),
    text.replace('{"Info":', '{"Info":{},"Info":'),
    text.replace('"host-1"', '"host\\u002d1"'),
    `${text} `,
    `${text}}`,
    text.slice(0, -1),
  ];
  for (const other of others) assert.equal(isReadAlike(other), false, other);
  assert.equal(
    isReadAlike(text.replace('host-1', 'höst-1'), asStored({ ...ofMachine, Hostname: 'höst-1' })),
    false,
  );
  const latin1 = Buffer.from(text.replace('host-1', 'h\u00f6st-1'), 'latin1');
  assert.equal(readUsualInfo(latin1, asStored({ ...ofMachine, Hostname: 'h\u00f6st-1' })), undefined);
  const { Agent, ...ofBacalhau } = ofMachine;
  assert.equal(isReadAlike(writeJson({ ...usual, Info: ofBacalhau }), asStored(ofBacalhau)), false);
});

test('any figures and texts are read as by the schema', () => {
  const odd = fc.oneof(fc.double(), fc.maxSafeNat(), fc.constantFrom(0, -1, 1e300, 1e-9));
  const number = fc.oneof({ weight: 20, arbitrary: fc.nat() }, { weight: 1, arbitrary: odd });
  const text = fc.oneof(
    fc.stringMatching(/^[\w.-]{0,12}$/),
    fc.string(),
    fc.constantFrom('"QueueCapacity":{}', ',"Muster":'),
  );
  const message = fc.record({
    free: fc.record({ CPU: number, Memory: number, Disk: number }, { requiredKeys: ['CPU'] }),
    labels: fc.dictionary(text, text, { maxKeys: 3 }),
    host: text,
    sender: fc.record({
      Version: text,
      ClusterID: text,
      Session: text,
      Authorities: fc.array(text, { maxLength: 3 }),
    }),
  });
  const seen = { usual: 0 };
  fc.assert(
    fc.property(message, fc.boolean(), ({ free, labels, host, sender: Muster }, isOther) => {
      const info = { ...withFree(free), Labels: labels, Hostname: host.slice(0, 255) };
      const ofNode = isOther ? known : storedOr(info);
      if (ofNode && isReadAlike(writeJson({ Info: info, Muster }), ofNode)) seen.usual++;
    }),
    { numRuns: 1_000 },
  );
  assert.ok(seen.usual > 0);
});

function storedOr(info: unknown): NodeInfo | undefined {
  try {
    return asStored(info);
  } catch {
    return undefined;
  }
}

test('a text that differs in any one place is read as by the schema, or left to it', () => {
  const text = writeJson(usual);
  const put = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.constantFrom('{', '}', '[', ']', '"', ',', '0', '{}', '":{}', ',"Muster":{}'),
  );
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(3), put, (at, removed, part) => {
      isReadAlike(text.slice(0, at) + part + text.slice(at + removed));
    }),
    { numRuns: 3_000 },
  );
});
