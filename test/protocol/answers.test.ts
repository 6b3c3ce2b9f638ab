// Answers are written as Bacalhau writes them, and read in all the forms that its versions and muster send.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  type AnsweringRequester,
  answerCodes,
  answerSchema,
  encodeEmptyResponse,
  encodeErrorResponse,
  encodeRegisterResponse,
  meansRejected,
  meansUnknown,
  reasons,
} from '../../agent/protocol/answers.ts';
import { parseJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { captures, probes } from '../support/captures.ts';
import { unit } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';

const read = (text: string): Answer => validate(answerSchema, parseJson(Buffer.from(text)));
const upgrade = 'node supports NCLv1 protocol - legacy protocol disabled';
const badJson = "invalid character 'b' looking for beginning of object key string";

describe('answers are written as the orchestrator writes them', () => {
  const ours: Record<string, string> = {
    'legacy update before register': encodeErrorResponse(reasons.handshakeRequired('n-old')),
    'legacy resources before register': encodeErrorResponse(reasons.handshakeRequired('n-old')),
    'legacy register (no protocols)': encodeRegisterResponse(true, reasons.registered),
    'legacy register again': encodeRegisterResponse(true, reasons.reconnected),
    'legacy register ncl node': encodeRegisterResponse(false, upgrade),
    'legacy register requester type': encodeRegisterResponse(false, reasons.notCompute),
    'legacy register bad json': encodeErrorResponse(badJson),
    'legacy update': encodeRegisterResponse(true, ''),
    'legacy resources': encodeEmptyResponse(),
  };

  for (const [name, answer] of probes) {
    // A data plane may acknowledge heartbeats. muster never asks for that.
    if (!name.startsWith('legacy ') || name.startsWith('legacy heartbeat')) continue;
    test(name, () => assert.equal(ours[name], answer));
  }

  test('every kind of answer was recorded', () => {
    for (const name of Object.keys(ours)) assert.ok(probes.has(name), name);
  });

  test('the replies of a recorded session', () => {
    const replies = captures.filter(({ name }) => name.includes('/reply:{"value"'));
    assert.deepEqual(
      replies.map(({ bytes }) => bytes.toString()),
      [
        encodeRegisterResponse(false, upgrade),
        encodeRegisterResponse(true, reasons.registered),
        encodeEmptyResponse(),
        encodeRegisterResponse(true, ''),
      ],
    );
  });

  test('HTML characters in a reason are escaped as Go does it', () => {
    assert.equal(encodeErrorResponse('<a> & b'), '{"error":"\\u003ca\\u003e \\u0026 b","value":null}');
  });
});

describe('answers are read', () => {
  const cases: [string, Answer][] = [
    [
      encodeRegisterResponse(true, 'node registered'),
      { accepted: true, reason: 'node registered', muster: undefined },
    ],
    [encodeRegisterResponse(false, upgrade), { accepted: false, reason: upgrade, muster: undefined }],
    [encodeEmptyResponse(), { accepted: true, reason: '', muster: undefined }],
    [encodeErrorResponse('no'), { accepted: false, reason: 'no', muster: undefined }],
    // An error that is not empty means a failure, whatever the value holds.
    [
      '{"error":"no","value":{"Accepted":true,"Reason":"yes"}}',
      { accepted: false, reason: 'no', muster: undefined },
    ],
    ['{"error":"","value":{"Accepted":true}}', { accepted: true, reason: '', muster: undefined }],
    ['{"error":null,"value":{}}', { accepted: true, reason: '', muster: undefined }],
    [
      '{"VALUE":{"accepted":false,"reason":"node has been rejected"}}',
      { accepted: false, reason: 'node has been rejected', muster: undefined },
    ],
    ['{"value":{"Accepted":null}}', { accepted: false, reason: '', muster: undefined }],
    ['{"value":{"Accepted":true,"Muster":null}}', { accepted: true, reason: '', muster: undefined }],
  ];
  for (const [text, answer] of cases) test(text, () => assert.deepEqual(read(text), answer));

  // A JetStream acknowledgement or an empty object does not mean consent.
  for (const text of ['{}', 'null', '{"value":null}', '{"error":""}', '{"stream":"X","seq":1}']) {
    test(`${text} is not an answer`, () => {
      refuses(() => read(text), 'invalid_field', '', text);
    });
  }

  test('a wrong type is refused with the name of the field', () => {
    refuses(() => read('{"value":{"Accepted":"yes"}}'), 'invalid_field', 'value.Accepted');
    refuses(() => read('{"value":{"Accepted":true,"Reason":5}}'), 'invalid_field', 'value.Reason');
    refuses(() => read('{"error":true}'), 'invalid_field', 'error');
    refuses(() => read('{"value":[]}'), 'invalid_field', 'value');
    refuses(() => read('[]'), 'invalid_field', '', 'a list');
    refuses(() => read(`{"error":"${'x'.repeat(4097)}"}`), 'invalid_field', 'error');
    refuses(
      () => read('{"value":{"Muster":{"Membership":"MAYBE"}}}'),
      'invalid_field',
      'value.Muster.Membership',
    );
    refuses(
      () => read('{"value":{"Muster":{"NodeDisconnectedAfter":-1}}}'),
      'invalid_field',
      'value.Muster.NodeDisconnectedAfter',
    );
  });
});

describe('what a muster requester adds to an answer', () => {
  const muster: AnsweringRequester = {
    Version: '0.1.0',
    ClusterID: 'c-1',
    RequesterID: 'node-0',
    Membership: 'PENDING',
    Session: 's-1',
    Code: 'registered',
    HeartbeatTopic: 'bacalhau.global.compute.{nodeId}.out.heartbeat',
    NodeDisconnectedAfter: 45_000,
  };
  const written = JSON.stringify(muster);

  test('stands where a Bacalhau node ignores it', () => {
    assert.equal(
      encodeRegisterResponse(true, 'node registered', muster),
      `{"value":{"Accepted":true,"Reason":"node registered","Muster":${written}}}`,
    );
    assert.equal(encodeEmptyResponse(muster), `{"value":{"Muster":${written}}}`);
    assert.equal(encodeErrorResponse('no', muster), `{"error":"no","value":{"Muster":${written}}}`);
  });

  test('is read back whole, in refusals and errors too', () => {
    const accepted = { reason: 'r', muster };
    assert.deepEqual(read(encodeRegisterResponse(true, 'r', muster)), { accepted: true, ...accepted });
    assert.deepEqual(read(encodeRegisterResponse(false, 'r', muster)), { accepted: false, ...accepted });
    assert.deepEqual(read(encodeErrorResponse('r', muster)), { accepted: false, ...accepted });
    assert.deepEqual(read(encodeEmptyResponse(muster)), { accepted: true, reason: '', muster });
  });

  test('is read back with any acceptance and reason', () => {
    const text = fc.string({ unit, maxLength: 200 });
    fc.assert(
      fc.property(fc.boolean(), text, (accepted, reason) => {
        assert.deepEqual(read(encodeRegisterResponse(accepted, reason)), {
          accepted,
          reason,
          muster: undefined,
        });
      }),
    );
  });

  test('has limits', () => {
    const limits = {
      Version: 64,
      ClusterID: 128,
      RequesterID: 128,
      Session: 128,
      Code: 64,
      HeartbeatTopic: 256,
    };
    for (const [name, limit] of Object.entries(limits)) {
      const reading = (length: number) => () =>
        read(JSON.stringify({ value: { Muster: { ...muster, [name]: 'x'.repeat(length) } } }));
      assert.equal(reading(limit)().muster?.[name as 'Version'], 'x'.repeat(limit), name);
      refuses(reading(limit + 1), 'invalid_field', `value.Muster.${name}`);
    }
  });

  test('has codes that programs may rely on', () => {
    assert.deepEqual(answerCodes, [
      ...['registered', 'reconnected', 'known', 'left', 'rejected', 'deleted', 'handshake_required'],
      ...['not_compute', 'conflict', 'full', 'unavailable', 'malformed'],
    ]);
  });

  test('may have a code that this version does not know', () => {
    assert.equal(read(encodeEmptyResponse({ ...muster, Code: 'later' })).muster?.Code, 'later');
  });
});

// The texts of all versions of Bacalhau, by the version that sends them.
describe('what a refusal means', () => {
  const unknown = [
    'node n-7c1d2a34 not connected - handshake required', // ≥ 1.6
    'node not found: n-7c1d2a34', // ≥ 1.6
    'failed to handle message: node not found: n-never',
    'node not yet registered', // 1.5, UpdateNodeInfo
    'unable to update resources for missing node: n-7c1d2a34', // 1.5, UpdateResources
    reasons.handshakeRequired('n-1'),
  ];
  const rejected = [
    'node has been rejected', // all, Register
    'node registration rejected', // 1.5, UpdateNodeInfo
    reasons.rejected,
    reasons.updateRejected,
  ];
  const neither = [
    '',
    'node registered',
    'node reconnected',
    'node already registered',
    upgrade,
    badJson,
    'node is not a compute node',
    reasons.notCompute,
    'node was deleted',
    reasons.deleted,
    'failed to write node state to node store: nats: invalid key',
  ];

  test('the requester does not know the node', () => {
    for (const text of unknown) assert.equal(meansUnknown(text), true, text);
    for (const text of [...rejected, ...neither]) assert.equal(meansUnknown(text), false, text);
  });

  test('an operator has rejected the node', () => {
    for (const text of rejected) assert.equal(meansRejected(text), true, text);
    for (const text of [...unknown, ...neither]) assert.equal(meansRejected(text), false, text);
  });

  test("the texts that are muster's own", () => {
    assert.equal(reasons.deleted, 'node was deleted');
  });

  test('recorded refusals', () => {
    assert.ok(meansUnknown(read(probes.get('legacy resources before register') ?? '').reason));
    assert.ok(meansUnknown(read(probes.get('legacy update before register') ?? '').reason));
  });
});
