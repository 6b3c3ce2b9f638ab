// The decoders of names, codes, keys and addresses: short texts that strangers choose.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { parseDuration, parsePercent, parseSize } from '../../agent/config/units.ts';
import {
  type RequesterTime,
  readCallerWait,
  readRequesterTime,
  writeRequesterTime,
} from '../../agent/protocol/caller-wait.ts';
import { readConnectionName, writeConnectionName } from '../../agent/protocol/connection-name.ts';
import { parseRevisionEventId, revisionEventId } from '../../agent/protocol/events.ts';
import { jobMethods, parseJobSubject } from '../../agent/protocol/job-requests.ts';
import {
  codeIdOf,
  encodeJoinCode,
  type JoinCodeReading,
  joinToken,
  readJoinCode,
} from '../../agent/protocol/join-code.ts';
import { parseSelector } from '../../agent/protocol/label-selector.ts';
import { listenerOf, listenerToken } from '../../agent/protocol/listener.ts';
import {
  decodePublicKey,
  decodeSeed,
  encodePublicKey,
  encodeSeed,
  fingerprint,
  isFingerprint,
} from '../../agent/protocol/nkey.ts';
import { isGoTime } from '../../agent/protocol/node-info.ts';
import { newOperation, readOperation } from '../../agent/protocol/operation.ts';
import { operatorOf, operatorToken } from '../../agent/protocol/operator-token.ts';
import {
  defaultHeartbeatTopic,
  eventSubject,
  heartbeatNodeIdReader,
  heartbeatSubject,
  managementMethods,
  managementSubject,
  parseEventSubject,
  parseManagementSubject,
} from '../../agent/protocol/subjects.ts';
import { nodeKeyOf } from '../../agent/requester/enrolment/live-connection.ts';
import { readEventId } from '../../agent/requester/events/membership-event.ts';
import { hostOf } from '../../agent/system/host-header.ts';
import { parseIpNetwork } from '../../agent/system/ip-network.ts';
import { parsePosition } from '../../agent/transport/received-message.ts';
import { parseServers, type Server } from '../../agent/transport/server.ts';
import { nodeIds, times } from '../support/messages.ts';
import { type Decoder, isMusterError, isProtocolError } from './decoder.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hosts = fc.constantFrom('head-1.example.com', '192.0.2.7', '[2001:db8::1]', 'localhost');

const joinCodes = fc.record({
  servers: fc.array(
    fc
      .tuple(fc.constantFrom('tls', 'nats'), hosts, fc.integer({ min: 1, max: 65_535 }))
      .map(([scheme, host, port]) => `${scheme}://${host}:${port}`),
    { minLength: 1, maxLength: 6 },
  ),
  pins: fc.array(
    bytes(32).map(pin => Buffer.from(pin).toString('base64url')),
    { maxLength: 4 },
  ),
  token: bytes(16).map(secret => joinToken('abcdefgh23', secret)),
  cluster: nodeIds,
  endsAt: fc.integer({ min: 1, max: 8.64e12 }),
});

/** Returns the line of a code with this content and a right checksum. */
const codeOf = (content: Buffer): Buffer =>
  Buffer.from(
    `muster1.${Buffer.concat([content, createHash('sha256').update(content).digest().subarray(0, 6)]).toString('base64url')}`,
  );

/** Returns the code that was read; undefined for a text that is none. */
function codeIn(reading: JoinCodeReading) {
  return reading.kind === 'valid' ? reading.code : undefined;
}

/** Returns a decoder of a text that is never refused by an error. */
function text(
  what: string,
  covers: string,
  valid: fc.Arbitrary<string>,
  read: (input: string) => unknown,
  more: Partial<Decoder> = {},
): Decoder {
  const isExpected = () => false;
  return {
    what,
    covers: [covers],
    form: 'text',
    valid,
    read: input => read(String(input)),
    isExpected,
    ...more,
  };
}

export const nameDecoders: readonly Decoder[] = [
  text(
    'the name of a connection',
    'protocol/connection-name.ts readConnectionName',
    fc
      .record(
        {
          node: nodeIds,
          instance: fc.uuid(),
          host: fc.constantFrom('worker-1', 'a.b.example'),
          intent: fc.constantFrom('register' as const, 'check' as const),
        },
        { requiredKeys: ['node', 'instance'] },
      )
      .map(writeConnectionName),
    readConnectionName,
    { write: value => writeConnectionName(value as Parameters<typeof writeConnectionName>[0]) },
  ),
  {
    what: 'the id of an operation',
    covers: ['protocol/operation.ts readOperation'],
    form: 'text',
    valid: fc
      .tuple(
        fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
        fc.uuid({ version: 4 }),
      )
      .map(([at, uuid]) => newOperation(at, uuid)),
    read: input => readOperation(String(input)),
    write: value => String(value),
  },
  text(
    'the time of a requester',
    'protocol/caller-wait.ts readRequesterTime',
    fc
      .record({ instance: fc.uuid({ version: 4 }), monotonicMs: fc.nat(), wallMs: fc.nat() })
      .map(writeRequesterTime),
    readRequesterTime,
    { write: value => writeRequesterTime(value as RequesterTime) },
  ),
  text(
    'how long a caller waits',
    'protocol/caller-wait.ts readCallerWait',
    fc.nat(999_999_999).map(String),
    readCallerWait,
    { write: value => String(value) },
  ),
  text(
    'a join code',
    'protocol/join-code.ts readJoinCode',
    joinCodes.map(encodeJoinCode),
    input => codeIn(readJoinCode(input)),
    { write: value => encodeJoinCode(value as Parameters<typeof encodeJoinCode>[0]) },
  ),
  {
    what: 'the content of a join code with a right checksum',
    covers: [],
    form: 'json',
    valid: joinCodes.map(({ servers, pins, token, cluster, endsAt }) => ({
      s: servers,
      ...(pins.length > 0 ? { p: pins } : {}),
      t: token,
      c: cluster,
      e: endsAt,
    })),
    wrap: codeOf,
    read: input => codeIn(readJoinCode(String(input))),
    isExpected: () => false,
    write: value => encodeJoinCode(value as Parameters<typeof encodeJoinCode>[0]),
  },
  text(
    'the token of a join code',
    'protocol/join-code.ts codeIdOf',
    bytes(16).map(secret => joinToken('abcdefgh23', secret)),
    codeIdOf,
    { check: value => assert.match(String(value), /^[a-z2-7]{10}$/) },
  ),
  text(
    "an operator's token",
    'protocol/operator-token.ts operatorOf',
    fc
      .tuple(
        nodeIds.filter(name => name.length <= 64),
        bytes(32),
      )
      .map(([name, secret]) => operatorToken(name, secret)),
    operatorOf,
    { check: value => assert.match(String(value), /^[A-Za-z0-9_-]{1,64}$/) },
  ),
  text(
    "a listener's token",
    'protocol/listener.ts listenerOf',
    bytes(32).map(secret => listenerToken('grafana', secret)),
    listenerOf,
    { check: value => assert.match(String(value), /^[A-Za-z0-9_-]{1,64}$/) },
  ),
  text(
    'a public key',
    'protocol/nkey.ts decodePublicKey',
    bytes(32).map(key => encodePublicKey(key, 'user')),
    input => decodePublicKey(input, 'user'),
    {
      isExpected: undefined,
      check: value => assert.equal((value as Buffer).length, 32),
      write: value => encodePublicKey(value as Buffer, 'user'),
    },
  ),
  text(
    'the key of a client in the list of the broker',
    'requester/enrolment/live-connection.ts nodeKeyOf',
    bytes(32).map(key => encodePublicKey(key, 'user')),
    nodeKeyOf,
    { check: value => assert.match(String(value), /^N[A-Z2-7]{55}$/) },
  ),
  text(
    'the seed of a key',
    'protocol/nkey.ts decodeSeed',
    bytes(32).map(seed => encodeSeed(seed)),
    input => decodeSeed(input),
    { isExpected: undefined, write: value => encodeSeed(value as Buffer) },
  ),
  text(
    'a fingerprint that somebody typed',
    'protocol/nkey.ts isFingerprint',
    bytes(32).map(key => fingerprint(encodePublicKey(key))),
    input => (isFingerprint(input) ? input : undefined),
    { check: value => assert.equal(String(value).replaceAll(/[\s-]/g, '').length, 16) },
  ),
  text(
    'the subject of a request',
    'protocol/subjects.ts parseManagementSubject',
    fc
      .tuple(nodeIds, fc.constantFrom(...managementMethods))
      .map(([id, method]) => managementSubject(id, method)),
    parseManagementSubject,
    {
      check: value => {
        const { nodeId, method } = value as NonNullable<ReturnType<typeof parseManagementSubject>>;
        assert.ok(managementMethods.includes(method) && nodeId.length > 0 && !nodeId.includes('.'));
      },
    },
  ),
  text(
    'the subject of a request about jobs',
    'protocol/job-requests.ts parseJobSubject',
    fc.constantFrom(...jobMethods).map(method => `node.compute.node-1.${method}/v1`),
    parseJobSubject,
    { check: value => assert.ok((jobMethods as readonly unknown[]).includes(value)) },
  ),
  text(
    'the subject of a heartbeat',
    'protocol/subjects.ts heartbeatNodeIdReader',
    nodeIds.map(id => heartbeatSubject(defaultHeartbeatTopic, id)),
    heartbeatNodeIdReader(defaultHeartbeatTopic),
  ),
  text(
    'the subject of an event',
    'protocol/subjects.ts parseEventSubject',
    nodeIds.map(id => eventSubject(id, 'approved')),
    parseEventSubject,
  ),
  text(
    'the id of an event',
    'protocol/events.ts parseRevisionEventId',
    fc
      .tuple(nodeIds, fc.nat(), fc.constantFrom(undefined, 'abcdef012345'))
      .map(([id, revision, incarnation]) => revisionEventId(id, revision, incarnation)),
    parseRevisionEventId,
  ),
  text(
    'the beginning of a stored event',
    'requester/events/membership-event.ts readEventId',
    fc.nat().map(number => `{"specversion":"1.0","id":"node-1:abc:${number}","source":"x"}`),
    input => readEventId(Buffer.from(input), 0, input.length),
  ),
  text('a time', 'protocol/node-info.ts isGoTime', times, input => (isGoTime(input) ? input : undefined), {
    mayRefuseValid: true,
    check: value => assert.ok(Number.isFinite(Date.parse(String(value).replace(/\.\d+/, '')))),
  }),
  text(
    'a network',
    'system/ip-network.ts parseIpNetwork',
    fc.constantFrom('10.0.0.0/8', '192.0.2.7/32', 'fd00::/8', '::/0', '0.0.0.0/0'),
    input => {
      const network = parseIpNetwork(input);
      for (const address of ['10.1.2.3', '::1', '::ffff:10.0.0.1', 'fe80::1%eth0', input, ''])
        network?.contains(address);
      return network;
    },
  ),
  text(
    'the address of a broker',
    'transport/server.ts parseServers',
    fc
      .tuple(fc.constantFrom('tls://', 'nats://', ''), hosts, fc.constantFrom(':4222', ':1', ''))
      .map(parts => parts.join('')),
    input => parseServers([input])[0],
    {
      isExpected: isMusterError,
      check: value => {
        const { host, port, label } = value as Server;
        assert.ok(host.length > 0 && Number.isInteger(port) && port >= 0 && port <= 65_535);
        assert.ok(!label.includes('@'));
      },
    },
  ),
  text(
    'the place of a message in its stream',
    'transport/received-message.ts parsePosition',
    fc.constantFrom(
      '$JS.ACK.NODE_EVENTS.consumer.1.12.12.1700000000000000000.0',
      '$JS.ACK._.hash.NODE_EVENTS.consumer.1.12.12.1700000000000000000.0.x',
    ),
    input => {
      const bytes = Buffer.from(input);
      return parsePosition(bytes, 0, bytes.length);
    },
    {
      check: value => {
        const { sequence, order, pending, timeMs } = value as NonNullable<ReturnType<typeof parsePosition>>;
        for (const figure of [sequence, order, pending, timeMs]) assert.ok(!Number.isNaN(figure));
      },
    },
  ),
  text(
    'a selector of labels',
    'protocol/label-selector.ts parseSelector',
    fc.constantFrom('env=prod,zone in (eu, us),!spot,cores>4', 'a', 'a!=b', 'a notin (b)', 'a<1'),
    input => {
      const matches = parseSelector(input);
      return matches({ env: 'prod', zone: 'eu', cores: '8' });
    },
    { isExpected: isProtocolError },
  ),
  text(
    'a Host header',
    'system/host-header.ts hostOf',
    fc.constantFrom('localhost:1234', '[::1]:1234', '127.0.0.1', 'head.example'),
    hostOf,
    { check: value => assert.doesNotMatch(String(value), /[[\]]/) },
  ),
  text(
    'a duration',
    'protocol/duration.ts parseDuration',
    fc.constantFrom('15s', '1m30s', '500ms', '1.5h'),
    parseDuration,
    {
      check: value => assert.ok(Number.isSafeInteger(value)),
    },
  ),
  text('a size', 'config/units.ts parseSize', fc.constantFrom('8GB', '8GiB', '512 kB', '1.5TiB'), parseSize, {
    check: value => assert.ok(Number.isSafeInteger(value)),
  }),
  text(
    'a percentage',
    'config/units.ts parsePercent',
    fc.constantFrom('80%', '12.5 %', '100.0%'),
    parsePercent,
    {
      check: value => assert.ok(Number(value) >= 0 && Number(value) <= 100),
    },
  ),
];
