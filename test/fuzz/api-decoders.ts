// The decoders of the HTTP API: the bodies that callers send, and the answers that a program in the requester's place sends.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type * as v from 'valibot';
import {
  readBans,
  readCreatedJoinCode,
  readDecisionAnswer,
  readEvent,
  readJoinCode,
  readJoinCodes,
  readLostNodes,
  readNewToken,
  readNodeStreamHead,
  readNodes,
  readOneNode,
  readOperationView,
  readOperators,
  readOrchestratorProblem,
  readPageCode,
  readProblem,
  readProof,
  readRequesterState,
  readTokenFile,
} from '../../agent/api/answers.ts';
import { orchestratorRefusal } from '../../agent/api/orchestrator.ts';
import { parseJson } from '../../agent/api/read-response.ts';
import { decisionActions, rebuildSchema } from '../../agent/protocol/http.ts';
import { joinCodeChangeSchema, joinCodeOrderSchema } from '../../agent/protocol/http-join-codes.ts';
import { operationStates } from '../../agent/protocol/http-operations.ts';
import {
  loginDataSchema,
  loginSchema,
  newOperatorSchema,
  unbanSchema,
} from '../../agent/protocol/http-operators.ts';
import { signInSchema } from '../../agent/protocol/http-page.ts';
import { parseJson as parseMessage } from '../../agent/protocol/json.ts';
import { newOperation } from '../../agent/protocol/operation.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { readNodeChange } from '../../agent/requester/api/node-change.ts';
import { RequestFault } from '../../agent/requester/api/problem.ts';
import { readBody } from '../../agent/requester/api/read-body.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { printable } from '../../agent/system/printable.ts';
import { nodeStates, times } from '../support/messages.ts';
import type { Decoder } from './decoder.ts';
import { cloudEvents } from './message-decoders.ts';

const isRequestFault = (error: unknown) => error instanceof RequestFault;
const word = fc.string({ unit: fc.constantFrom(...'abcdef-'), minLength: 1, maxLength: 20 });

/** Returns the decoder of a body, which every change has. */
function body(
  what: string,
  schema: v.GenericSchema<unknown, { Actor: string }>,
  valid: fc.Arbitrary<unknown>,
  covers: readonly string[] = [],
): Decoder {
  return {
    what: `the body that ${what}`,
    covers,
    form: 'json',
    valid,
    isExpected: isRequestFault,
    read: input => readBody(schema, input as Buffer),
    check: value => {
      const { Actor } = value as { Actor: string };
      assert.equal(printable(Actor), Actor);
    },
    write: value => Buffer.from(JSON.stringify(value)),
    share: 0.5,
  };
}

/** Returns the decoder of an answer, as a command reads it. */
function answer(name: string, read: (value: unknown) => unknown, valid: fc.Arbitrary<unknown>): Decoder {
  return {
    what: `an answer with ${name}`,
    covers: ['api/answers.ts', 'api/read-response.ts parseJson'],
    form: 'json',
    valid,
    read: input => read(parseJson(String(input))),
    share: 0.3,
  };
}

/** Returns objects with one member of this name. */
const member = <T>(name: string, values: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  values.map(value => ({ [name]: value }));

const nodeStreamHeads = fc.record({
  Nodes: fc.nat(),
  Requesters: fc.nat(),
  At: times,
  State: fc.constantFrom('ready', 'degraded'),
  Reason: word,
  Widths: fc.constantFrom({}, { ID: 36, HOST: 0 }),
});

const joinCodeViews = fc.record(
  {
    ID: fc.constant('abcdefgh23'),
    State: fc.constantFrom('valid', 'spent'),
    CreatedAt: times,
    CreatedBy: word,
    EndsAt: times,
    Uses: fc.nat(),
    Used: fc.nat(),
    Approve: fc.boolean(),
    Labels: fc.constantFrom({}, { zone: 'a' }),
    Network: fc.constant('10.0.0.0/8'),
    RevokedAt: times,
    RevokedBy: word,
  },
  {
    noNullPrototype: true,
    requiredKeys: ['ID', 'State', 'CreatedAt', 'EndsAt', 'Uses', 'Used', 'Approve', 'Labels'],
  },
);

const operationIds = fc
  .tuple(fc.date({ min: new Date(0), noInvalidDate: true }), fc.uuid({ version: 4 }))
  .map(([at, uuid]) => newOperation(at, uuid));
const operationViews = fc
  .tuple(operationIds, operationIds, times, fc.constantFrom(...operationStates))
  .map(([ID, Operation, At, State]) => ({
    ID,
    MadeAt: At,
    At,
    Requester: 'node-0',
    State,
    Decisions: [
      {
        NodeID: 'node-1',
        Kind: 'approved',
        Stands: false,
        At,
        Actor: 'ada',
        Event: { ID: 'node-1:s1:7', Sequence: 12, Time: At },
        Later: { Kind: 'rejected', At, Actor: 'bob', Reason: '', Operation },
      },
    ],
    UnderWay: [{ NodeID: 'node-2', Action: 'approve' }],
    Refusals: [{ NodeID: 'node-3', Action: 'approve', Reason: 'no', At }],
    Doubts: ['s1 is away'],
  }));

export const shownNodes = fc.tuple(nodeStates, times).map(([state, at]) => ({
  ...state,
  Muster: { Health: 'HEALTHY', Silence: 12, RegisteredAt: at, Fingerprint: 'BDWE-AMSB-5ZAN-P4NC' },
}));

export const apiDecoders: readonly Decoder[] = [
  {
    what: 'the body with a decision',
    covers: ['requester/api/node-change.ts readNodeChange'],
    form: 'json',
    valid: fc.record(
      {
        Action: fc.constantFrom('approve', 'reject', 'delete', 'cordon', 'drain', 'uncordon'),
        Message: word,
        Actor: fc.constant('ada@desk'),
        Exact: fc.boolean(),
        Fingerprint: fc.constant('BDWE-AMSB-5ZAN-P4NC'),
        ForSeconds: fc.constant(0),
        DeadlineSeconds: fc.constant(0),
      },
      { noNullPrototype: true, requiredKeys: ['Action'] },
    ),
    isExpected: isRequestFault,
    read: input => readNodeChange(input as Buffer, claimedActor => ({ actor: 'ada', claimedActor })),
    check: value => {
      const { action, decision } = value as ReturnType<typeof readNodeChange>;
      assert.ok((decisionActions as readonly string[]).includes(action));
      assert.ok(decision.reason === undefined || decision.reason.length <= 1024);
      assert.ok(!decision.isBan || action === 'delete');
    },
  },
  body(
    'makes an operator',
    newOperatorSchema,
    fc.record(
      { Name: word, ReadOnly: fc.boolean(), ExpiresInSeconds: fc.nat(1e6), Actor: word },
      { noNullPrototype: true, requiredKeys: ['Name'] },
    ),
    ['requester/api/read-body.ts readBody'],
  ),
  body('signs a page in', signInSchema, fc.constant({ Code: 'A'.repeat(22), Actor: 'ada@desk' })),
  body('writes a lost record again', rebuildSchema, fc.constant({ Action: 'rebuild', Actor: 'ada@desk' })),
  body('lifts a ban', unbanSchema, fc.constant({ Action: 'unban', Actor: 'ada@desk' })),
  body('revokes a join code', joinCodeChangeSchema, fc.constant({ Action: 'revoke', Actor: 'ada@desk' })),
  body(
    'orders a join code',
    joinCodeOrderSchema,
    fc.record(
      {
        ExpiresInSeconds: fc.integer({ min: 60, max: 86_400 }),
        Uses: fc.integer({ min: 1, max: 100 }),
        Approve: fc.boolean(),
        Labels: fc.constantFrom({}, { zone: 'a' }),
        Network: fc.constantFrom('10.0.0.0/8', ''),
        Actor: word,
      },
      { noNullPrototype: true, requiredKeys: [] },
    ),
  ),
  {
    what: 'the body of a login',
    covers: ['requester/api/login.ts'],
    form: 'json',
    valid: word.map(Token => ({ Token })),
    wrap: content => Buffer.from(JSON.stringify({ MethodData: content.toString('base64') })),
    read: input => {
      const { MethodData } = validate(loginSchema, parseMessage(input as Buffer));
      return validate(loginDataSchema, parseMessage(Buffer.from(MethodData, 'base64')));
    },
  },
  answer('nodes', readNodes, member('Nodes', fc.array(shownNodes, { minLength: 1, maxLength: 2 }))),
  answer('a node', readOneNode, member('Node', shownNodes)),
  answer('the first line of a stream of nodes', readNodeStreamHead, nodeStreamHeads),
  answer('an event', readEvent, cloudEvents),
  answer('the state of the requester', readRequesterState, fc.constant({ State: 'ready', Reason: '' })),
  answer(
    'lost nodes',
    readLostNodes,
    times.map(At => ({
      Nodes: [{ NodeID: 'node-1', Membership: 'APPROVED', At, Actor: 'ada', Reason: '' }],
    })),
  ),
  answer(
    'join codes',
    readJoinCodes,
    member('JoinCodes', fc.array(joinCodeViews, { minLength: 1, maxLength: 2 })),
  ),
  answer('a revoked join code', readJoinCode, member('JoinCode', joinCodeViews)),
  answer(
    'a new join code',
    readCreatedJoinCode,
    joinCodeViews.map(JoinCode => ({
      JoinCode,
      Code: 'muster1.x',
      Servers: ['tls://head:4222'],
      LocalOnly: false,
    })),
  ),
  answer(
    'bans',
    readBans,
    times.map(At => ({
      Bans: [{ Fingerprint: 'BDWE-AMSB-5ZAN-P4NC', NodeID: 'node-1', At, Actor: 'ada', Reason: '' }],
    })),
  ),
  answer(
    'a decision',
    readDecisionAnswer,
    fc.constantFrom({ Success: true }, { Success: false, Error: 'no' }),
  ),
  answer('an operation', readOperationView, member('Operation', operationViews)),
  answer(
    'operators',
    readOperators,
    times.map(At => ({ Operators: [{ Name: 'ada', ReadOnly: false, Expires: At, CreatedBy: 'local', At }] })),
  ),
  answer('a new token', readNewToken, member('Token', word)),
  answer('the place of a token', readTokenFile, member('Path', word)),
  answer('a code for the page', readPageCode, fc.constant({ Code: 'A'.repeat(22), ValidSeconds: 60 })),
  answer('a proof', readProof, fc.constant({ Proof: 'A'.repeat(43) })),
  answer(
    'a problem of Bacalhau',
    readOrchestratorProblem,
    word.map(message => ({ message, error: 'why' })),
  ),
  {
    what: 'a refusal of Bacalhau',
    covers: ['api/orchestrator.ts orchestratorRefusal'],
    form: 'text',
    valid: word.map(message => JSON.stringify({ message, error: 'why' })),
    read: input => {
      const orchestrator = { url: 'http://a', version: 'v1.4.0' };
      const asked = { path: '/orchestrator/nodes/n-1', status: 500, text: String(input) };
      return orchestratorRefusal(orchestrator, asked);
    },
    check: value => assert.ok(value instanceof MusterError && value.message !== ''),
    share: 0.3,
  },
  answer(
    'a problem',
    readProblem,
    word.map(Message => ({ Message, Code: 'NotFound', Hint: '' })),
  ),
];
