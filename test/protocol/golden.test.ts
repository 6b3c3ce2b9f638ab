// Every recorded message of Bacalhau is read, and written again to exactly the bytes that were recorded.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeEnvelope, encodeEnvelope, envelopeType } from '../../agent/protocol/envelope.ts';
import { decodeHeartbeat, encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { registerRequestSchema, updateResourcesRequestSchema } from '../../agent/protocol/messages.ts';
import { nodeInfoSchema } from '../../agent/protocol/node-info.ts';
import { resourcesSchema } from '../../agent/protocol/resources.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { parseManagementSubject } from '../../agent/protocol/subjects.ts';
import { capture, captures, enveloped, envelopeOf } from '../support/captures.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';
const requestSchemas = {
  'RegisterNode/v1': registerRequestSchema,
  'UpdateNodeInfo/v1': registerRequestSchema,
  'UpdateResources/v1': updateResourcesRequestSchema,
  'Leave/v1': undefined,
  'RotateKey/v1': undefined,
} as const;

describe('requests', () => {
  const requests = captures.flatMap(({ name, subject, bytes, decoded }) => {
    const parsed = parseManagementSubject(subject);
    return parsed ? [{ name, ...parsed, bytes, decoded }] : [];
  });

  test('there is a recording of each kind, and of a register request of a node that speaks NCL', () => {
    assert.deepEqual(
      requests.map(({ name }) => name),
      [
        'ncl/RegisterNode/v1',
        'bprotocol/RegisterNode/v1',
        'bprotocol/UpdateResources/v1',
        'bprotocol/UpdateNodeInfo/v1',
      ],
    );
  });

  for (const { name, nodeId, method, bytes, decoded } of requests) {
    test(name, () => {
      const schema = requestSchemas[method];
      assert.ok(schema);
      const message = validate(schema, parseJson(bytes));
      assert.deepEqual(message, decoded);
      assert.equal(writeJson(message), bytes.toString());
      assert.equal('Info' in message ? message.Info.NodeID : message.NodeID, nodeId);
    });
  }
});

describe('envelopes', () => {
  for (const { name, bytes, decoded } of enveloped) {
    test(name, () => {
      const envelope = decodeEnvelope(bytes);
      assert.deepEqual(envelope, decoded);
      assert.equal(encodeEnvelope(envelope).toString('hex'), bytes.toString('hex'));
      assert.equal(envelopeType(envelope), name.split('/')[1]?.split(':')[0]);
    });
  }

  test('the order of the metadata does not matter, because it is sorted as Go does it', () => {
    const envelope = decodeEnvelope(capture('ncl/BidResult').bytes);
    const reversed = Object.fromEntries(Object.entries(envelope.metadata).reverse());
    assert.deepEqual(encodeEnvelope({ ...envelope, metadata: reversed }), capture('ncl/BidResult').bytes);
  });

  test('an envelope inside a larger buffer is read, as the client of the broker hands it out', () => {
    const { bytes, decoded } = capture('bprotocol/heartbeat');
    const around = new Uint8Array(bytes.length + 20).fill(0x7b);
    around.set(bytes, 10);
    assert.deepEqual(decodeEnvelope(around.subarray(10, 10 + bytes.length)), decoded);
  });
});

describe('the payloads of NCL messages', () => {
  const payloadOf = (name: string) => decodeEnvelope(capture(name).bytes).payload as Record<string, unknown>;

  for (const name of ['ncl/transport.HandshakeRequest', 'ncl/transport.UpdateNodeInfoRequest']) {
    test(`${name}: node information`, () => {
      const { NodeInfo: info } = payloadOf(name);
      assert.equal(writeJson(validate(nodeInfoSchema, info)), writeJson(info));
    });
  }

  test('ncl/transport.HeartbeatRequest: resources', () => {
    const { AvailableCapacity: available, QueueUsedCapacity: queued } = payloadOf(
      'ncl/transport.HeartbeatRequest',
    );
    assert.equal(writeJson(validate(resourcesSchema, available)), writeJson(available));
    assert.equal(writeJson(validate(resourcesSchema, queued)), '{}');
  });
});

test('a heartbeat of muster is the recorded one, except for the nanoseconds of its time', () => {
  const { bytes } = capture('bprotocol/heartbeat');
  assert.deepEqual(decodeHeartbeat(bytes), { NodeID: node, Sequence: 1, session: undefined });

  const rounded = bytes.subarray(5).toString().replace('1795503699320227883', '1795503699320000000');
  const ours = encodeHeartbeat({ NodeID: node, Sequence: 1 }, undefined, new Date(1_795_503_699_320));
  assert.equal(ours.toString('hex'), envelopeOf(rounded).toString('hex'));
});

test('the smallest useful envelope', () => {
  const body =
    '{"metadata":{"Bacalhau-PayloadEncoding":"json","Bacalhau-Type":"transport.HeartbeatResponse"},"payload":{"LastComputeSeqNum":0}}';
  const bytes = Buffer.concat([Buffer.from('01c907f018', 'hex'), Buffer.from(body)]);
  assert.equal(bytes.length, 133);
  assert.deepEqual(encodeEnvelope(decodeEnvelope(bytes)), bytes);
});
