// Tests what every answer means to a node: the texts of all Bacalhau versions, and muster's own codes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AnswerMeaning, interpretAnswer } from '../../../agent/compute/registration/answer-meaning.ts';
import {
  type Answer,
  type AnsweringRequester,
  answerCodes,
  answerSchema,
  encodeEmptyResponse,
  encodeErrorResponse,
  encodeRegisterResponse,
  reasons,
} from '../../../agent/protocol/answers.ts';
import { parseJson } from '../../../agent/protocol/json.ts';
import { validate } from '../../../agent/protocol/schema.ts';

const read = (text: string): Answer => validate(answerSchema, parseJson(Buffer.from(text)));
const kindOf = (text: string, cluster = ''): AnswerMeaning['kind'] =>
  interpretAnswer(read(text), cluster).kind;

describe('Bacalhau', () => {
  const error = (text: string) => JSON.stringify({ error: text, value: null });
  const value = (Accepted: boolean, Reason: string) => JSON.stringify({ value: { Accepted, Reason } });

  // The answers that the versions were seen to give. `≥ 1.6` stands for 1.6.0 to 1.9.3.
  const rows: [version: string, request: string, answer: string, kind: AnswerMeaning['kind']][] = [
    ['1.4, 1.5', 'Register, new', value(true, ''), 'accepted'],
    ['1.4, 1.5', 'Register, known', value(true, 'node already registered'), 'accepted'],
    ['1.4, 1.5', 'Register, rejected', value(false, 'node has been rejected'), 'rejected'],
    ['1.4, 1.5', 'UpdateNodeInfo, known', value(true, ''), 'accepted'],
    ['1.4, 1.5', 'UpdateNodeInfo, unknown', value(false, 'node not yet registered'), 'unknown'],
    ['1.4, 1.5', 'UpdateNodeInfo, rejected', value(false, 'node registration rejected'), 'rejected'],
    ['1.4, 1.5', 'UpdateResources, known or rejected', '{"value":{}}', 'accepted'],
    [
      '1.4, 1.5',
      'UpdateResources, unknown',
      error('unable to update resources for missing node: n-1'),
      'unknown',
    ],
    [
      '1.4, 1.5',
      'UpdateNodeInfo, deleted',
      error('failed to get nodestate during node registration: nodeInfo not found for nodeID: n-1'),
      'unknown',
    ],
    [
      '1.4, 1.5',
      'UpdateNodeInfo, store in trouble',
      error('failed to get nodestate during node registration: nats: timeout'),
      'refused',
    ],
    ['≥ 1.6', 'Register, new', value(true, 'node registered'), 'accepted'],
    ['≥ 1.6', 'Register, known', value(true, 'node reconnected'), 'accepted'],
    ['≥ 1.6', 'Register, rejected', value(false, 'node has been rejected'), 'rejected'],
    ['≥ 1.6', 'Register, of another type', value(false, 'node is not a compute node'), 'refused'],
    [
      '≥ 1.6',
      'Register, listing ncl/v1',
      value(false, 'node supports NCLv1 protocol - legacy protocol disabled'),
      'refused',
    ],
    ['≥ 1.6', 'UpdateNodeInfo, known or rejected', value(true, ''), 'accepted'],
    ['≥ 1.6', 'UpdateNodeInfo, unknown', error('node n-1 not connected - handshake required'), 'unknown'],
    ['≥ 1.6', 'UpdateResources, known', '{"value":{}}', 'accepted'],
    [
      '≥ 1.6',
      'UpdateResources, unknown or rejected',
      error('node n-1 not connected - handshake required'),
      'unknown',
    ],
    ['≥ 1.6', 'any, deleted meanwhile', error('node not found: n-1'), 'unknown'],
    [
      'any',
      'any, broken',
      error("invalid character 'b' looking for beginning of object key string"),
      'refused',
    ],
    ['any', 'any, store in trouble', error('nats: timeout'), 'refused'],
    ['any', 'refused without a reason', value(false, ''), 'refused'],
  ];
  for (const [version, request, answer, kind] of rows) {
    test(`${version}: ${request}: ${kind}`, () => {
      assert.equal(kindOf(answer), kind);
      assert.equal(
        kindOf(answer, 'c-1'),
        kind,
        'it means the same to a node that is registered with a muster cluster',
      );
    });
  }

  test('an acceptance contains neither the membership nor the requester', () => {
    const outcome = interpretAnswer(read('{"value":{}}'), 'c-1');
    assert.deepEqual(outcome, { kind: 'accepted', membership: '', session: '', cluster: '', requester: '' });
  });
});

const answerer: AnsweringRequester = {
  Version: '1',
  ClusterID: 'c-1',
  RequesterID: 'node-0',
  Membership: 'PENDING',
  Session: 's-1',
};

describe('muster', () => {
  test('an acceptance carries everything that the node saves', () => {
    const accepted = {
      kind: 'accepted',
      membership: 'PENDING',
      session: 's-1',
      cluster: 'c-1',
      requester: 'node-0',
    };
    for (const text of [encodeRegisterResponse(true, '', answerer), encodeEmptyResponse(answerer)]) {
      for (const cluster of ['', 'c-1']) assert.deepEqual(interpretAnswer(read(text), cluster), accepted);
    }
  });

  test('the code of a refusal decides, whatever its reason quotes', () => {
    const kinds: Partial<Record<string, AnswerMeaning['kind']>> = {
      deleted: 'deleted',
      rejected: 'rejected',
      handshake_required: 'unknown',
    };
    const quotes = [
      '',
      reasons.deleted,
      reasons.rejected,
      reasons.updateRejected,
      reasons.handshakeRequired('x'),
    ];
    for (const Code of answerCodes) {
      for (const reason of quotes) {
        const texts = [encodeRegisterResponse(false, reason, { ...answerer, Code })];
        if (reason) texts.push(encodeErrorResponse(reason, { ...answerer, Code }));
        for (const text of texts)
          assert.equal(kindOf(text, 'c-1'), kinds[Code] ?? 'refused', `${Code}: ${reason}`);
      }
    }
  });

  test('a code that this version does not know counts as a refusal for now', () => {
    assert.equal(
      kindOf(encodeErrorResponse('node was banished', { ...answerer, Code: 'banished' })),
      'refused',
    );
  });

  test('without a code the reason decides', () => {
    assert.equal(kindOf(encodeErrorResponse(reasons.deleted, answerer)), 'deleted');
    assert.equal(kindOf(encodeErrorResponse(reasons.deleted)), 'deleted');
    assert.equal(kindOf(encodeErrorResponse(reasons.updateRejected, answerer)), 'rejected');
    assert.equal(kindOf(encodeErrorResponse(reasons.handshakeRequired('n-1'), answerer)), 'unknown');
  });

  test('a rejection carries the session for the heartbeats of the rejected node', () => {
    const rejected = { kind: 'rejected', reason: reasons.rejected, operatorReason: '' };
    const Code = 'rejected';
    const text = encodeRegisterResponse(false, reasons.rejected, { ...answerer, Code });
    assert.deepEqual(interpretAnswer(read(text), ''), { ...rejected, session: 's-1', isBacalhau: false });
    const bacalhau = encodeRegisterResponse(false, reasons.rejected);
    assert.deepEqual(interpretAnswer(read(bacalhau), ''), { ...rejected, session: '', isBacalhau: true });
  });

  test("a rejection and a deletion carry the operator's reason", () => {
    for (const Code of ['rejected', 'deleted'] as const) {
      const text = encodeErrorResponse('in words', { ...answerer, Code, Reason: 'not ours' });
      const meaning = interpretAnswer(read(text), '');
      assert.equal(meaning.kind, Code);
      assert.equal('operatorReason' in meaning && meaning.operatorReason, 'not ours');
    }
  });

  test('an acceptance with the membership REJECTED is a rejection', () => {
    const text = encodeRegisterResponse(true, '', { ...answerer, Membership: 'REJECTED', Code: 'known' });
    assert.deepEqual(interpretAnswer(read(text), 'c-1'), {
      kind: 'rejected',
      reason: reasons.rejected,
      operatorReason: '',
      session: '',
      isBacalhau: false,
    });
  });

  test('another cluster voids the registration whatever it answers; a requester that names no cluster does not', () => {
    for (const Code of answerCodes) {
      for (const accepted of [true, false]) {
        const text = encodeRegisterResponse(accepted, '', { ...answerer, Code, ClusterID: 'c-2' });
        assert.deepEqual(interpretAnswer(read(text), 'c-1'), {
          kind: 'unknown',
          reason: 'another cluster answers (c-2)',
        });
      }
    }
    assert.equal(kindOf(encodeRegisterResponse(true, '', { ...answerer, ClusterID: '' }), 'c-1'), 'accepted');
    assert.equal(kindOf(encodeRegisterResponse(true, '', { ...answerer, ClusterID: 'c-2' }), ''), 'accepted');
  });
});

test('every answer that can be read has a meaning', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom(...Object.values(reasons).map(each => String(each)), 'node not found'),
  );
  const muster = fc.record(
    {
      ClusterID: fc.constantFrom('', 'c-1', 'c-2'),
      RequesterID: texts,
      Membership: fc.constantFrom('', 'PENDING', 'APPROVED', 'REJECTED'),
      Session: texts,
      Code: fc.oneof(texts, fc.constantFrom(...answerCodes)),
    },
    { requiredKeys: [] },
  );
  const answers = fc.record(
    {
      error: texts,
      value: fc.record({ Accepted: fc.boolean(), Reason: texts, Muster: muster }, { requiredKeys: [] }),
    },
    { requiredKeys: ['value'] },
  );
  fc.assert(
    fc.property(answers, fc.constantFrom('', 'c-1'), (answer, cluster) => {
      const read = validate(answerSchema, answer);
      const { kind } = interpretAnswer(read, cluster);
      assert.ok(['accepted', 'unknown', 'deleted', 'rejected', 'refused'].includes(kind));
      if (kind === 'accepted') assert.ok(read.accepted);
    }),
  );
});
