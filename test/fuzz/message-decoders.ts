// The decoders of what nodes, requesters and brokers send each other: envelopes, messages, events, callout questions.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type * as v from 'valibot';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { readCalloutQuestion } from '../../agent/protocol/callout.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../../agent/protocol/envelope.ts';
import { readProtobufEnvelope } from '../../agent/protocol/envelope-protobuf.ts';
import { eventCursor, readEventCursor } from '../../agent/protocol/event-cursor.ts';
import { decodeHeartbeat, type ReceivedHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { type JobRequest, readJobRequest } from '../../agent/protocol/job-requests.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import {
  heartbeatSchema,
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import {
  emptyComputeNodeInfo,
  nodeInfoSchema,
  staticInfo,
  zeroTime,
} from '../../agent/protocol/node-info.ts';
import { nodeStateSchema } from '../../agent/protocol/node-state.ts';
import { type Refusal, readRefusal, refusalCodes } from '../../agent/protocol/refusal.ts';
import { resourcesSchema } from '../../agent/protocol/resources.ts';
import { validate, validateStored } from '../../agent/protocol/schema.ts';
import { curveKeyOf, openBox, sealBox, sharedKeyOf } from '../../agent/protocol/sealed-box.ts';
import { readSignedToken, writeSignedToken } from '../../agent/protocol/signed-token.ts';
import { withUnknown } from '../../agent/protocol/unknown-members.ts';
import { readUsualInfo } from '../../agent/protocol/usual-info.ts';
import { readUsualUpdate } from '../../agent/protocol/usual-update.ts';
import { AnnouncedMemberships } from '../../agent/requester/events/announced-memberships.ts';
import { readConditionEvent } from '../../agent/requester/events/condition-event.ts';
import { readMembershipEvent } from '../../agent/requester/events/membership-event.ts';
import { shownEvent } from '../../agent/requester/events/shown-event.ts';
import { ncl } from '../../agent/requester/requests/request-protocols.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { issuerKey, questionClaims, serverKey } from '../support/callout-questions.ts';
import { captures, envelopeOf } from '../support/captures.ts';
import {
  heartbeats,
  leaves,
  nodeInfos,
  nodeStates,
  registers,
  times,
  updateResourcesMessages,
} from '../support/messages.ts';
import { bytesField, numberField, protobufEnvelope } from '../support/protobuf.ts';
import type { Decoder } from './decoder.ts';

const recorded = (encoding: string) =>
  fc.constantFrom(...captures.filter(each => each.encoding === encoding).map(({ decoded }) => decoded));

/** Returns a decoder of a message without an envelope. What it has read is written, and read again as the same. */
function message(what: string, schema: v.GenericSchema, valid: fc.Arbitrary<unknown>): Decoder {
  return {
    what,
    covers: [],
    form: 'json',
    valid,
    read: input => validate(schema, parseJson(input as Buffer)),
    write: value => Buffer.from(writeJson(value)),
  };
}

const answers = fc.oneof(
  fc
    .record({ error: fc.string({ maxLength: 40 }), value: fc.constant(null) })
    .filter(({ error }) => error !== ''),
  fc.record({
    value: fc.record(
      {
        Accepted: fc.boolean(),
        Reason: fc.string({ maxLength: 40 }),
        Muster: fc.record({
          Version: fc.constant('1.0.0'),
          ClusterID: fc.uuid(),
          RequesterID: fc.constant('head'),
          Membership: fc.constantFrom('PENDING', 'APPROVED', 'REJECTED', ''),
          Session: fc.uuid(),
          Code: fc.constantFrom('registered', 'known', 'deleted'),
          HeartbeatTopic: fc.constant('bacalhau.global.compute.{nodeId}.out.heartbeat'),
          NodeDisconnectedAfter: fc.nat(90_000),
        }),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
  }),
);

const jobRequests = fc.oneof(
  fc.record({
    SourcePeerID: fc.constant('n-1'),
    TargetPeerID: fc.constant('node-1'),
    Execution: fc.record({
      ID: fc.uuid(),
      JobID: fc.uuid(),
      JobVersion: fc.nat(9),
      Job: fc.record({ ID: fc.uuid(), Tasks: fc.constant([{ Name: 'main' }]) }),
    }),
    WaitForApproval: fc.boolean(),
  }),
  fc.record({ SourcePeerID: fc.constant('n-1'), ExecutionID: fc.uuid(), Justification: fc.string() }),
);

const checkJobRequest = (value: unknown) => {
  const { orchestrator, execution, job } = value as JobRequest;
  // The id of the orchestrator becomes a part of a subject.
  assert.match(orchestrator, /^[A-Za-z0-9_/=-]{1,128}$/);
  assert.ok(execution.length <= 256 && job.length <= 256);
};

const envelopes = fc.oneof(
  recorded('envelope-json-v1'),
  heartbeats.map(payload => ({
    metadata: {
      'Bacalhau-Type': 'heartbeat',
      'Bacalhau-PayloadEncoding': 'json',
      'Muster-Session': 'a-session',
    },
    payload,
  })),
);

const checkEnvelope = (value: unknown) => {
  const { metadata } = value as Envelope;
  for (const [key, text] of Object.entries(metadata)) {
    assert.ok(typeof text === 'string' && text.length <= 512 && key.length <= 512);
  }
  assert.ok(Object.keys(metadata).length <= 64);
};

const checkHeartbeat = (value: unknown) => {
  const { session, ...beat } = value as ReceivedHeartbeat;
  assert.deepEqual(validate(heartbeatSchema, beat), beat);
  assert.ok(session === undefined || (session.length > 0 && session.length <= 512));
};

/** Members of protobuf that no envelope has, or that lie about their length. */
const strangeFields = fc.constantFrom(
  Buffer.alloc(0),
  numberField(3, 1n << 62n),
  bytesField(7, 'x'),
  Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
);

export const clientKey = keyPairOf(new Uint8Array(32).fill(3), 'node');

const boxKey = curveKeyOf(new Uint8Array(32).fill(5));
const shared = sharedKeyOf(boxKey, boxKey.publicKey);

const positive = fc.integer({ min: 1 });
const mark = fc.stringMatching(/^[\w-]{1,40}$/);
const usualUpdates = fc.record({
  NodeID: mark,
  AvailableCapacity: fc.record({ CPU: positive, Memory: positive, Disk: positive }),
  QueueUsedCapacity: fc.constant({}),
  Usage: fc.record({ CPU: fc.nat(), Memory: fc.nat(), Disk: fc.nat(), Load: fc.nat() }),
  Muster: fc.record({ Version: mark, ClusterID: mark, Session: mark, Instance: mark, BootID: mark }),
});

const knownInfo = validate(nodeInfoSchema, {
  NodeID: 'node-1',
  NodeType: 'Compute',
  Labels: { zone: 'a' },
  SupportedProtocols: ['bprotocol/v2'],
  ComputeNodeInfo: emptyComputeNodeInfo,
  BacalhauVersion: { GitVersion: '', GitCommit: '', BuildDate: zeroTime, GOOS: 'linux', GOARCH: 'amd64' },
  Agent: { Version: '1.2.3' },
});
const usualInfos = usualUpdates.map(({ AvailableCapacity, Muster }) => ({
  Info: { ...knownInfo, ComputeNodeInfo: { ...knownInfo.ComputeNodeInfo, AvailableCapacity } },
  Muster: { ...Muster, Authorities: ['a'] },
}));

const refusals: fc.Arbitrary<Refusal> = fc.record(
  {
    code: fc.constantFrom(...refusalCodes),
    reason: fc.string({ maxLength: 60 }),
    hint: fc.string({ maxLength: 60 }),
    fingerprint: fc.constant('BDWE-AMSB-5ZAN-P4NC'),
    operatorReason: fc.string({ maxLength: 60 }),
    record: fc.record({ id: fc.constant('node-1'), fingerprint: fc.constant('BDWE-AMSB-5ZAN-P4NC') }),
  },
  { requiredKeys: ['code', 'reason', 'hint', 'fingerprint'], noNullPrototype: true },
);

export const cloudEvents = fc.record({
  specversion: fc.constant('1.0'),
  id: fc.oneof(
    fc.nat(1e9).map(revision => `node-1:abcdef012345:${revision}`),
    fc.constant('node-1:12'),
  ),
  source: fc.constant('/muster/cluster-1/head'),
  type: fc.constant('org.muster.node.approved'),
  subject: fc.constant('node-1'),
  time: times,
  datacontenttype: fc.constant('application/json'),
  data: fc.record(
    {
      node: fc.constant('node-1'),
      previous: fc.constant({ membership: 'PENDING' }),
      current: fc.constant({ membership: 'APPROVED' }),
      reason: fc.string({ maxLength: 40 }),
      actor: fc.constant('ada'),
      claimedActor: fc.constant('ada@desk'),
      evidence: fc.record({
        lastSeen: times,
        silence: fc.nat(),
        rule: fc.constant('silent for 45s'),
        agents: fc.constant([{ host: 'a', instance: 'b' }, { host: 'c' }]),
      }),
      coalesced: fc.nat(100),
    },
    { requiredKeys: ['node', 'previous', 'current'] },
  ),
});

export const messageDecoders: readonly Decoder[] = [
  {
    what: 'JSON',
    covers: ['protocol/json.ts parseJson', 'protocol/json.ts parseJsonText'],
    form: 'json',
    valid: fc.oneof(recorded('plain-json'), registers),
    read: input => parseJson(input as Buffer),
  },
  {
    what: 'an event of the stream, as the API tells it',
    covers: ['requester/events/shown-event.ts shownEvent'],
    form: 'json',
    valid: fc.oneof(recorded('plain-json'), registers),
    read: input => shownEvent(input as Buffer, 'a-1'),
    check: value => {
      assert.doesNotMatch(String(value), /[\n\r]/);
      const told: unknown = JSON.parse(String(value));
      const isObject = typeof told === 'object' && told !== null && !Array.isArray(told);
      if (isObject) assert.equal((told as { cursor?: unknown }).cursor, 'a-1');
    },
  },
  {
    what: 'an envelope of JSON',
    covers: ['protocol/envelope.ts decodeEnvelope'],
    form: 'json',
    valid: envelopes,
    wrap: content => envelopeOf(content),
    read: input => decodeEnvelope(input as Buffer),
    check: checkEnvelope,
    write: value => encodeEnvelope(value as Envelope),
  },
  {
    what: 'an envelope of protobuf',
    covers: ['protocol/envelope-protobuf.ts readProtobufEnvelope', 'protocol/envelope.ts decodeEnvelope'],
    form: 'bytes',
    valid: fc
      .tuple(strangeFields, envelopes)
      .map(([strange, envelope]) =>
        strange.length > 4
          ? protobufEnvelope(envelope as Envelope)
          : Buffer.concat([strange, protobufEnvelope(envelope as Envelope)]),
      ),
    wrap: content => envelopeOf(content, 2),
    read: input => {
      const envelope = decodeEnvelope(input as Buffer);
      readProtobufEnvelope((input as Buffer).subarray(5));
      return envelope;
    },
    check: checkEnvelope,
  },
  {
    what: 'a heartbeat in an envelope of JSON',
    covers: ['protocol/heartbeat.ts decodeHeartbeat', 'protocol/usual-heartbeat.ts readUsualHeartbeat'],
    form: 'json',
    valid: envelopes.filter(
      each =>
        (each as Envelope).metadata['Bacalhau-Type'] === 'heartbeat' &&
        'NodeID' in ((each as Envelope).payload as object),
    ),
    wrap: content => envelopeOf(content),
    read: input => decodeHeartbeat(input as Buffer),
    check: checkHeartbeat,
  },
  {
    what: 'a heartbeat in an envelope of protobuf',
    covers: [],
    form: 'bytes',
    valid: heartbeats.map(payload =>
      protobufEnvelope({
        metadata: { Type: 'heartbeat', PayloadEncoding: 'json', 'Muster-Session': 's' },
        payload,
      }),
    ),
    wrap: content => envelopeOf(content, 2),
    read: input => decodeHeartbeat(input as Buffer),
    check: checkHeartbeat,
  },
  {
    what: 'a heartbeat of plain JSON',
    covers: [],
    form: 'json',
    valid: heartbeats,
    read: input => decodeHeartbeat(input as Buffer),
    check: checkHeartbeat,
  },
  message('a registration', registerRequestSchema, registers),
  message('an update of resources', updateResourcesRequestSchema, updateResourcesMessages),
  {
    what: 'an update of resources in the usual form',
    covers: ['protocol/usual-update.ts readUsualUpdate'],
    form: 'json',
    valid: usualUpdates,
    read: input => {
      const read = readUsualUpdate(input as Buffer);
      if (read) assert.deepEqual(read, validate(updateResourcesRequestSchema, parseJson(input as Buffer)));
      return read;
    },
    check: value => void validate(updateResourcesRequestSchema, value),
  },
  {
    what: 'information that is known already, in the usual form',
    covers: ['protocol/usual-info.ts readUsualInfo'],
    form: 'json',
    valid: usualInfos,
    read: input => {
      const read = readUsualInfo(input as Buffer, knownInfo);
      if (!read) return undefined;
      const plain = validate(registerRequestSchema, parseJson(input as Buffer));
      assert.deepEqual([read.Info, read.Muster], [staticInfo(plain.Info), plain.Muster]);
      return read;
    },
    check: value => void validate(registerRequestSchema, value),
  },
  message('a leave request', leaveRequestSchema, leaves),
  { ...message('node information', nodeInfoSchema, nodeInfos), share: 0.2 },
  message(
    'resources',
    resourcesSchema,
    nodeInfos.map(({ ComputeNodeInfo }) => ComputeNodeInfo.MaxCapacity),
  ),
  {
    what: 'a stored record, with the members that this version does not know',
    covers: [],
    form: 'json',
    valid: nodeStates,
    share: 0.4,
    read: input => validateStored(nodeStateSchema, parseJson(input as Buffer)),
    write: value => Buffer.from(writeJson(withUnknown(value))),
  },
  { ...message('an answer', answerSchema, answers), write: undefined },
  {
    what: "a control request of Bacalhau's newer protocol",
    covers: ['protocol/ncl.ts readControlRequest', 'requester/requests/request-protocols.ts'],
    form: 'json',
    valid: fc
      .tuple(
        fc.constantFrom(
          'HandshakeRequest',
          'UpdateNodeInfoRequest',
          'HeartbeatRequest',
          'ShutdownNoticeRequest',
        ),
        heartbeats,
      )
      .map(([type, payload]) => ({
        metadata: { 'Bacalhau-Type': `transport.${type}`, 'Bacalhau-PayloadEncoding': 'json' },
        payload: { ...payload, NodeInfo: payload, LastOrchestratorSeqNum: 3 },
      })),
    wrap: content => envelopeOf(content),
    read: input => {
      const { method, encode } = ncl.read('bacalhau.global.compute.node-1.out.ctrl', {
        data: input as Buffer,
        header: () => '',
      });
      // What was read can be answered.
      for (const form of ['error', 'empty', 'answer'] as const)
        decodeEnvelope(Buffer.from(encode({ form, accepted: true, reason: 'x' } as never, new Date(0))));
      return method;
    },
  },
  {
    what: 'a request about jobs',
    covers: ['protocol/job-requests.ts readJobRequest'],
    form: 'json',
    valid: jobRequests,
    read: input => readJobRequest(input as Buffer),
    check: checkJobRequest,
  },
  {
    what: 'what a server of NATS encrypted',
    covers: ['protocol/sealed-box.ts openBox'],
    form: 'bytes',
    valid: fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map(text => sealBox(text, new Uint8Array(24), shared)),
    read: input => openBox(input as Buffer, shared),
  },
  {
    what: 'a refusal',
    covers: ['protocol/refusal.ts readRefusal'],
    form: 'json',
    valid: refusals,
    read: input => readRefusal(input as Buffer),
    write: value => Buffer.from(JSON.stringify(value)),
  },
  {
    what: 'the claims of a callout question, signed by its server',
    share: 0.4,
    covers: ['protocol/callout.ts readCalloutQuestion', 'protocol/signed-token.ts readSignedToken'],
    form: 'json',
    valid: fc
      .record({
        host: fc.oneof(fc.ipV4(), fc.ipV6()),
        connection: fc.nat(),
        token: fc.string({ maxLength: 40 }),
        name: fc.constantFrom('node-1 instance=one', 'x', ''),
      })
      .map(options => questionClaims({ ...options, key: clientKey })),
    wrap: content => {
      try {
        return Buffer.from(writeSignedToken(parseJson(content) as object, serverKey));
      } catch {
        // What is no JSON is signed as it is.
        return Buffer.from(signedText(content));
      }
    },
    read: input => readCalloutQuestion(input as Buffer),
    check: value => {
      const { offers, host, nonce, connection, askedAt } = value as ReturnType<typeof readCalloutQuestion>;
      for (const text of [...Object.values(offers), host, nonce]) assert.ok(text.length <= 4_096);
      assert.ok(Number.isInteger(connection) && Number.isFinite(askedAt));
    },
  },
  {
    what: 'a signed token',
    covers: ['protocol/signed-token.ts readSignedToken'],
    form: 'text',
    valid: fc.nat().map(iat => writeSignedToken({ iat, sub: 'x' }, issuerKey)),
    read: input => readSignedToken(input as string, 'account'),
    check: value => assert.equal((value as { issuer: string }).issuer, issuerKey.publicKey),
  },
  {
    what: 'the cursor of an event',
    covers: ['protocol/event-cursor.ts readEventCursor'],
    form: 'text',
    valid: fc
      .tuple(fc.date({ noInvalidDate: true }), fc.nat())
      .map(([at, n]) => eventCursor(at.toISOString(), n)),
    read: input => readEventCursor(input as string),
  },
  {
    what: 'a stored event of a condition',
    covers: ['requester/events/condition-event.ts readConditionEvent'],
    form: 'json',
    valid: fc.record({
      data: fc.record({ conditions: fc.array(fc.string({ maxLength: 64 }), { maxLength: 64 }) }),
    }),
    read: input => readConditionEvent(input as Buffer),
  },
  {
    what: 'a stored event of a change',
    covers: ['requester/events/membership-event.ts readMembershipEvent'],
    form: 'json',
    valid: cloudEvents,
    read: input => {
      const event = readMembershipEvent('node-1', 'approved', input as Buffer);
      if (event) new AnnouncedMemberships().add('node-1', event);
      return event;
    },
  },
];

function signedText(content: Buffer): string {
  const head = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString('base64url');
  return `${head}.${content.toString('base64url')}.${Buffer.alloc(64).toString('base64url')}`;
}
