// Tests the control messages of Bacalhau's newer protocol against recorded ones, and with anything that is none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeEnvelope, type Envelope } from '../../agent/protocol/envelope.ts';
import { encodeControlAnswer, readControlRequest } from '../../agent/protocol/ncl.ts';
import { ControlError, encodeControlError } from '../../agent/protocol/ncl-error.ts';
import { capture, envelopeOf } from '../support/captures.ts';

const id = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';
const at = new Date('2026-11-24T00:00:00Z');
const read = (type: string) => readControlRequest(capture(`ncl/transport.${type}`).bytes);
/** Returns an envelope without its time, which no two messages share. */
const timeless = (bytes: Uint8Array): Envelope => {
  const { metadata, payload } = decodeEnvelope(bytes);
  return { metadata: { ...metadata, 'Bacalhau-EventTime': '' }, payload };
};

describe('a control request', () => {
  test('is one of the older protocol in other words', () => {
    const info = (type: string) => (read(type).body as { Info: { NodeID: string } }).Info.NodeID;
    assert.deepEqual(
      ['HandshakeRequest', 'UpdateNodeInfoRequest'].map(type => [read(type).method, info(type)]),
      [
        ['RegisterNode/v1', id],
        ['UpdateNodeInfo/v1', id],
      ],
    );
    const named = (type: string) => (read(type).body as { NodeID: string }).NodeID;
    assert.deepEqual(
      ['HeartbeatRequest', 'ShutdownNoticeRequest'].map(type => [read(type).method, named(type)]),
      [
        ['UpdateResources/v1', id],
        ['Leave/v1', id],
      ],
    );
  });

  test('is answered as a recorded orchestrator answers', () => {
    const answers: [request: string, answer: string, accepted: boolean, reason: string][] = [
      ['HandshakeRequest', 'HandshakeResponse:True:node registered', true, 'node registered'],
      ['HandshakeRequest', 'HandshakeResponse:False:node has been rejected', false, 'node has been rejected'],
      ['HeartbeatRequest', 'HeartbeatResponse', true, ''],
      ['UpdateNodeInfoRequest', 'UpdateNodeInfoResponse', true, ''],
      ['ShutdownNoticeRequest', 'ShutdownNoticeResponse', true, ''],
    ];
    for (const [request, answer, accepted, reason] of answers) {
      const written = encodeControlAnswer(read(request), { accepted, reason }, at);
      assert.deepEqual(timeless(written), timeless(capture(`ncl/transport.${answer}`).bytes));
      assert.equal(decodeEnvelope(written).metadata['Bacalhau-EventTime'], `${at.getTime()}000000`);
    }
  });

  test('of a node that is not known gets the recorded error, byte for byte', () => {
    const error = encodeControlError(`node ${id} not connected - handshake required`, 'handshake_required');
    assert.equal(error.toString('hex'), capture('ncl/BacError').bytes.toString('hex'));
  });

  test('lets the node keep the number of the last message that it processed', () => {
    const request = { ...read('HandshakeRequest'), sequence: 17 };
    const { payload } = decodeEnvelope(encodeControlAnswer(request, { accepted: true, reason: 'r' }, at));
    assert.deepEqual(payload, {
      accepted: true,
      reason: 'r',
      LastComputeSeqNum: 0,
      LastOrchestratorSeqNum: 17,
    });
  });

  test('that is none is refused with a text, whatever it is', () => {
    const refused = (bytes: Uint8Array, text: RegExp) =>
      assert.throws(
        () => readControlRequest(bytes),
        (error: unknown) => error instanceof ControlError && text.test(error.message),
      );
    refused(
      Buffer.alloc(0),
      /^failed to deserialize request: failed to deserialize message envelope: empty data$/,
    );
    refused(envelopeOf('{}'), /^failed to deserialize request: /);
    refused(capture('ncl/BidResult').bytes, /^no handler found for message type: BidResult$/);
    const payloads = fc.jsonValue().map(payload => {
      const metadata = {
        'Bacalhau-Type': 'transport.HandshakeRequest',
        'Bacalhau-PayloadEncoding': 'json',
      };
      return envelopeOf(JSON.stringify({ metadata, payload }));
    });
    const anything = fc.oneof(
      fc.uint8Array(),
      fc.jsonValue().map(value => envelopeOf(JSON.stringify(value))),
      payloads,
    );
    fc.assert(
      fc.property(anything, bytes => {
        try {
          readControlRequest(bytes);
        } catch (error) {
          assert.ok(error instanceof ControlError);
        }
      }),
    );
  });
});
