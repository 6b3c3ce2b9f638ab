// The decoders of what the store of the broker holds, and of what the broker answers: anybody may have written it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Msg } from 'nats';
import { maxMessageBytes, parseJson, writeJson } from '../../agent/protocol/json.ts';
import { memberships } from '../../agent/protocol/node-state.ts';
import { writeSignedToken } from '../../agent/protocol/signed-token.ts';
import type { Tombstone } from '../../agent/protocol/tombstone.ts';
import { ensureClusterId } from '../../agent/requester/cluster/cluster-bucket.ts';
import { RecordSet } from '../../agent/requester/cluster/record-set.ts';
import { goneNodes } from '../../agent/requester/directory/gone-nodes.ts';
import { Bans } from '../../agent/requester/enrolment/bans.ts';
import { listClients, listServers } from '../../agent/requester/enrolment/broker-clients.ts';
import { deletedNodes, expiredNodes } from '../../agent/requester/enrolment/former-nodes.ts';
import { JoinCodes } from '../../agent/requester/enrolment/join-codes.ts';
import { LiveConnections } from '../../agent/requester/enrolment/live-connections.ts';
import { Pins } from '../../agent/requester/enrolment/pins.ts';
import { RefusalExchange } from '../../agent/requester/enrolment/refusal-exchange.ts';
import { readLastSeen } from '../../agent/requester/health/last-seen-store.ts';
import { Incarnation } from '../../agent/requester/incarnation.ts';
import {
  type LedgerLine,
  readLedgerLine,
  writeLedgerLine,
} from '../../agent/requester/ledger/ledger-entries.ts';
import { restoredAtMs, restoreKey } from '../../agent/requester/ledger/restore-record.ts';
import { listenerRecordSchema } from '../../agent/requester/listeners/listener-record.ts';
import { noteChange } from '../../agent/requester/operations/note-change.ts';
import { changeOf } from '../../agent/requester/operations/operation-changes.ts';
import { Operators } from '../../agent/requester/operators/operators.ts';
import { readEntry } from '../../agent/requester/roll/store.ts';
import { shortTombstone, tombstoneBytes, undeleteNode } from '../../agent/requester/roll/tombstones.ts';
import { newCounters } from '../../agent/requester/status/counters.ts';
import type { Holder } from '../../agent/requester/watcher/holder.ts';
import { Lease } from '../../agent/requester/watcher/lease.ts';
import { Peers } from '../../agent/requester/watcher/peers.ts';
import type { SharedSettings } from '../../agent/requester/watcher/shared-settings.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { type Log, silentLog } from '../../agent/system/log.ts';
import { readStreamInfo, type StorageConnection } from '../../agent/transport/jetstream.ts';
import type { Bucket, BucketEntry, Connection, Message } from '../../agent/transport/port.ts';
import { BrokerError } from '../../agent/transport/port.ts';
import { readStoredMessage } from '../../agent/transport/stored-message.ts';
import { openStreamCopies } from '../../agent/transport/stream-copy.ts';
import { gatherOne, issuerKey } from '../support/callout-questions.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { noSubscription } from '../support/fake-connection.ts';
import { nodeIds, nodeStates, times, tombstones } from '../support/messages.ts';
import { steadyRandom } from '../support/steady-random.ts';
import { type Decoder, isMusterError } from './decoder.ts';
import { clientKey } from './message-decoders.ts';

const plain = { noNullPrototype: true } as const;
const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map(bytes => Buffer.from(bytes).toString('base64url'));
const word = fc.string({ unit: fc.constantFrom(...'abcdef-'), minLength: 1, maxLength: 20 });
const someOperation = '019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7';
const clock = new FakeClock();
const random = steadyRandom();

function entryOf(key: string, value: Buffer): BucketEntry {
  return { key, value, revision: 7, marker: false, headers: {}, created: new Date(0) };
}

const readMarker = (headers: Record<string, string>) =>
  readEntry({ ...entryOf('node-1', Buffer.alloc(0)), marker: true, headers });

/** Fails when a node with this tombstone is neither refused nor brought back as a record that can be stored and read. */
function checkTombstone(tombstone: Tombstone): void {
  assert.ok(tombstoneBytes(shortTombstone(tombstone)) < 16 * 1024);
  goneNodes([['node-1', { kind: 'deleted', revision: 7, tombstone }]], new Date(0));
  const rule = undeleteNode(() => undefined);
  const by = { reason: '', actor: 'ada' };
  try {
    const { write } = rule({ kind: 'deleted', revision: 7, tombstone }, 'node-1', by, '2026-01-01T00:00:00Z');
    const value = Buffer.from(writeJson(write));
    assert.ok(value.length < maxMessageBytes);
    assert.equal(readEntry(entryOf('node-1', value)).kind, 'record');
  } catch (error) {
    assert.ok(isMusterError(error) && tombstone.Membership === undefined, String(error));
  }
}

/** A bucket in which every key has this value, and that takes no write. */
const bucketWith = (key: string, value: Buffer): Bucket => ({
  state: () => Promise.resolve({ created: '2026-01-01T00:00:00Z', lastRevision: 7, keys: 1 }),
  get: wanted => Promise.resolve(wanted === key ? entryOf(key, value) : undefined),
  put: () => Promise.reject(new BrokerError('refused', 'it takes no writes')),
  purge: () => Promise.reject(new BrokerError('refused', 'it takes no writes')),
  remove: () => Promise.resolve(),
  watch(fn) {
    fn(entryOf(key, value));
    return Promise.resolve({ ready: Promise.resolve(), stop: () => undefined, restart: () => undefined });
  },
});

/** Returns a log that notes in `seen` that something was left out. */
const noting = (seen: { warned: boolean }): Log => ({
  ...silentLog,
  warn: () => {
    seen.warned = true;
  },
});

const isBrokerError = (error: unknown) => error instanceof BrokerError;
const isExpected = (error: unknown) => isBrokerError(error) || error instanceof MusterError;
const answerOf = (data: Uint8Array, subject = 'x'): Message => ({
  subject,
  subjectBytes: Buffer.from(subject),
  data,
  reply: '',
  header: () => '',
  respond: () => true,
});
const storage = (data: Uint8Array): StorageConnection => ({
  storeTimeoutMs: 1_000,
  isClustered: false,
  link: undefined,
  closed: false,
  onLink: () => ({ unsubscribe: () => undefined }),
  requestRaw: () => Promise.resolve({ data } as Msg),
  hurry: () => undefined,
});

const pin = fc.record(
  { key: fc.constant(clientKey.publicKey), code: word, formerCode: word, at: times },
  { ...plain, requiredKeys: ['key', 'at'] },
);
const sharedSettings: SharedSettings = {
  manualApproval: true,
  nodeDisconnectedAfter: 45_000,
  nodeUnknownAfter: 90_000,
  heartbeatTopic: 'a.{nodeId}.b',
};
const holders: fc.Arbitrary<Holder> = fc.record(
  { requester: word, instance: fc.uuid(), host: word, pid: fc.nat(), since: times },
  plain,
);
/** What a requester needs of its connection besides. */
const quiet: Pick<Connection, 'state' | 'subscribe' | 'onState'> = {
  state: { kind: 'connected', server: 'x', version: '2.12.0', isEncrypted: false },
  subscribe: () => noSubscription,
  onState: () => ({ unsubscribe: () => undefined }),
};
const me: Holder = { requester: 'me', instance: 'mine', host: 'here', pid: 1, since: '2026-01-01T00:00:00Z' };

/** Returns a decoder of the record of a set, which leaves out what it cannot read. */
function record(
  what: string,
  covers: readonly string[],
  valid: fc.Arbitrary<unknown>,
  read: (value: Buffer, log: Log) => unknown,
): Decoder {
  return {
    what,
    covers,
    form: 'json',
    valid,
    isExpected: () => false,
    read: input => read(input as Buffer, silentLog),
  };
}

export const storeDecoders: readonly Decoder[] = [
  {
    what: 'a line of the ledger',
    covers: ['requester/ledger/ledger-entries.ts readLedgerLine'],
    form: 'json',
    valid: fc.record(
      {
        kind: fc.constant('token'),
        name: hash,
        value: fc.record({ holder: word, at: times }, plain),
      },
      plain,
    ),
    isExpected: () => false,
    read: input => readLedgerLine(String(input)),
    write: value => writeLedgerLine(value as LedgerLine),
  },
  {
    what: "a node's record in the store",
    covers: ['requester/roll/store.ts readEntry'],
    form: 'json',
    valid: nodeStates.map(state => ({
      ...state,
      Info: { ...state.Info, NodeID: 'node-1', NodeType: 'Compute' },
    })),
    isExpected: () => false,
    read: input => {
      const stored = readEntry(entryOf('node-1', input as Buffer));
      return stored.kind === 'unreadable' ? undefined : stored;
    },
    share: 0.4,
  },
  {
    what: 'the changes in the marker of a deleted node',
    covers: ['requester/roll/store.ts readEntry'],
    form: 'json',
    valid: fc.array(
      fc.record(
        {
          Kind: fc.constantFrom('deleted', 'expired'),
          Revision: fc.nat(),
          At: times,
          Previous: fc.constant('APPROVED'),
          Current: fc.constant(''),
        },
        plain,
      ),
      { minLength: 1, maxLength: 3 },
    ),
    isExpected: () => false,
    read: input => readMarker({ 'Muster-Change': (input as Buffer).toString('base64') }),
    check: value => assert.match((value as { kind: string }).kind, /^(deleted|absent)$/),
  },
  {
    what: 'the last registration in the marker of a deleted node',
    covers: ['requester/roll/store.ts readEntry'],
    form: 'text',
    valid: fc.tuple(fc.nat(), fc.uuid()).map(([attempt, instance]) => `${attempt} ${instance}`),
    isExpected: () => false,
    read: input => {
      const read = readMarker({ 'Muster-Registration': String(input) });
      return read.kind === 'deleted' ? read.registration : undefined;
    },
    check: value => assert.ok(((value as { instance: string }).instance ?? '').length <= 128),
  },
  {
    what: 'the tombstone in the marker of a node that is gone',
    covers: ['requester/roll/store.ts readEntry'],
    form: 'json',
    valid: tombstones,
    isExpected: () => false,
    read: input => {
      const read = readMarker({ 'Muster-Tombstone': (input as Buffer).toString('base64') });
      return read.kind === 'deleted' ? read.tombstone : undefined;
    },
    check: value => checkTombstone(value as Tombstone),
  },
  record(
    'the pin of a node',
    ['requester/enrolment/pins.ts', 'requester/cluster/cluster-bucket.ts decode'],
    pin,
    (value, log) => {
      const pins = new Pins(bucketWith('', value), log);
      for (const set of pins.sets) set.watched.onEntry(entryOf('pin.node-1', value));
      pins.nodeOf(clientKey.publicKey);
      for (const set of pins.sets) set.watched.onEntry(entryOf(`key.${clientKey.publicKey}`, value));
      pins.nodeOf(clientKey.publicKey);
      return pins.of('node-1');
    },
  ),
  record(
    'what a record remembers of an operation',
    ['requester/operations/operation-changes.ts'],
    fc.record(
      {
        operations: fc.constantFrom(
          [`operator_created ${someOperation}`],
          ['x', `operator_created ${someOperation}`],
        ),
        at: times,
        createdBy: word,
        revoked: fc.record({ at: times, by: word }, plain),
      },
      { ...plain, requiredKeys: ['operations'] },
    ),
    value => changeOf(someOperation, entryOf('operator.ada', value)),
  ),
  {
    what: 'the note of an operation that made a CA',
    covers: ['requester/operations/note-change.ts'],
    form: 'json',
    valid: fc.record({ operations: fc.constant([`ca_rotated ${someOperation}`]), actor: word }, plain),
    isExpected: () => false,
    read: async input => {
      let written: Uint8Array | undefined;
      const bucket = {
        get: async (key: string) => entryOf(key, input as Buffer),
        put: async (_key: string, value: Uint8Array) => {
          written = value;
          return 8;
        },
      };
      await noteChange(bucket, 'ca.x', 'ca_forgotten', { actor: 'ada', operation: someOperation });
      return JSON.parse(Buffer.from(written ?? []).toString()) as { operations: string[] };
    },
    check: value => {
      const { operations } = value as { operations: string[] };
      assert.equal(operations.at(-1), `ca_forgotten ${someOperation}`);
      assert.ok(operations.length <= 8);
    },
  },
  {
    what: 'the operations in the marker of a record that was removed',
    covers: ['requester/operations/operation-changes.ts'],
    form: 'text',
    valid: fc.constantFrom('operator_created', 'operator_revoked').map(kind => `${kind} ${someOperation}`),
    isExpected: () => false,
    read: input => {
      const headers = { 'Muster-Operations': String(input), 'Muster-Actor': String(input) };
      return changeOf(someOperation, { ...entryOf('operator.ada', Buffer.alloc(0)), marker: true, headers });
    },
    check: value => assert.ok(value === undefined || (value as { Actor: string }).Actor.length <= 256),
  },
  record(
    'a banned key',
    ['requester/enrolment/bans.ts'],
    fc.record({ id: nodeIds, actor: word, reason: word, at: times }, plain),
    (value, log) => {
      const bans = new Bans(bucketWith('', value), log);
      bans.set.watched.onEntry(entryOf(`ban.${clientKey.publicKey}`, value));
      bans.list();
      return bans.of(clientKey.publicKey);
    },
  ),
  record(
    'a deleted node',
    ['requester/enrolment/former-nodes.ts'],
    fc.record(
      {
        key: fc.constant(clientKey.publicKey),
        code: word,
        membership: fc.constantFrom(...memberships),
        host: word,
        actor: word,
        reason: word,
        at: times,
      },
      { ...plain, requiredKeys: ['key', 'actor', 'at'] },
    ),
    (value, log) => {
      const nodes = deletedNodes({ bucket: bucketWith('', value), log, onChange: () => undefined });
      nodes.set.watched.onEntry(entryOf('deleted.node-1', value));
      return nodes.of('node-1');
    },
  ),
  record(
    'the record of a node that gave way',
    ['requester/enrolment/former-nodes.ts'],
    fc.record({ key: word, at: times }, { ...plain, requiredKeys: ['key', 'at'] }),
    (value, log) => {
      const nodes = expiredNodes(bucketWith('', value), log);
      nodes.set.watched.onEntry(entryOf('expired.node-1', value));
      return nodes.of('node-1');
    },
  ),
  record(
    'the record of a join code',
    ['requester/enrolment/join-codes.ts'],
    fc.record(
      {
        hash,
        at: times,
        by: word,
        endsAt: times,
        uses: fc.integer({ min: 1, max: 10_000 }),
        approve: fc.boolean(),
        labels: fc.constantFrom({}, { zone: 'a' }),
        network: fc.constantFrom('10.0.0.0/8', 'fd00::/8'),
        revoked: fc.record({ at: times, by: word }, plain),
      },
      { ...plain, requiredKeys: ['hash', 'at', 'by', 'endsAt', 'uses', 'approve', 'labels'] },
    ),
    (value, log) => {
      const codes = new JoinCodes({
        bucket: bucketWith('', value),
        clock,
        log,
        usesOf: () => 0,
        events: { announce: () => undefined } as never,
      });
      codes.set.watched.onEntry(entryOf('code.abcdefgh23', value));
      codes.check('join-abcdefgh23-AAAAAAAAAAAAAAAAAAAAAA', '10.0.0.1');
      return codes.list()[0];
    },
  ),
  record(
    'the record of a listener',
    ['requester/listeners/listener-record.ts', 'requester/cluster/record-set.ts'],
    fc.record(
      {
        hash,
        durable: fc.constant(`listener-ada-${'a'.repeat(24)}`),
        since: times,
        expires: times,
        createdBy: word,
        at: times,
      },
      { ...plain, requiredKeys: ['hash', 'durable', 'createdBy', 'at'] },
    ),
    (value, log) => {
      const bucket = bucketWith('', value);
      const set = new RecordSet({ bucket, prefix: 'listener.', schema: listenerRecordSchema, log });
      set.watched.onEntry(entryOf('listener.ada', value));
      return set.get('ada');
    },
  ),
  {
    what: 'the servers of the broker',
    covers: ['requester/enrolment/broker-clients.ts listServers'],
    form: 'json',
    valid: fc
      .nat(9)
      .map(active_servers => ({ server: { id: `N${'A'.repeat(55)}` }, statsz: { active_servers } })),
    read: async input => {
      const gather: Connection['gather'] = async (_subject, _data, _wait, onAnswer) => {
        onAnswer(answerOf(input as Buffer));
      };
      const servers = await listServers({ gather });
      for (const server of servers) assert.match(server, /^N[A-Z2-7]{55}$/);
      return servers;
    },
  },
  {
    what: "an operator's record",
    covers: ['requester/operators/operators.ts'],
    form: 'json',
    valid: fc.record(
      { hash, readOnly: fc.boolean(), expires: times, createdBy: word, at: times },
      { ...plain, requiredKeys: ['hash', 'readOnly', 'createdBy', 'at'] },
    ),
    isExpected: () => false,
    read: async input => {
      const operators = new Operators({
        bucket: bucketWith('operator.ada', input as Buffer),
        clock,
        log: silentLog,
        counters: newCounters(),
        requesterId: 'node-0',
        events: { announce: () => undefined } as never,
      });
      for (const set of operators.sets) set.watched.onEntry(entryOf('operator.ada', input as Buffer));
      await operators.open();
      operators.check(`mop_ada_${'A'.repeat(43)}`);
      operators.prove('ada', 'A'.repeat(22), '127.0.0.1 1234');
      return operators.list()[0];
    },
  },
  {
    what: 'the id of the cluster',
    covers: ['requester/cluster/cluster-bucket.ts ensureClusterId'],
    form: 'json',
    valid: nodeIds.map(id => ({ id })),
    isExpected,
    read: input => ensureClusterId(bucketWith('cluster', input as Buffer), random),
    check: value => assert.match(String(value), /^[A-Za-z0-9_-]{1,128}$/),
  },
  {
    what: 'the lease',
    covers: ['requester/watcher/lease.ts'],
    form: 'json',
    valid: holders,
    isExpected,
    read: async input => {
      const connection = {
        ...quiet,
        request: () => Promise.resolve(answerOf(input as Buffer)),
      } as unknown as Connection;
      const bucket = bucketWith('lease', input as Buffer);
      const lease = await Lease.open({
        bucket,
        connection,
        clusterId: 'c',
        random,
        me,
        clock,
        log: silentLog,
      });
      await lease.release();
      return lease.holder;
    },
  },
  {
    what: 'what another requester tells of itself',
    covers: ['requester/watcher/presence.ts'],
    form: 'json',
    valid: holders.map(holder => {
      const time = '2026-01-01T00:00:00.000Z';
      return { ...holder, version: '1.0.0', watches: true, settings: sharedSettings, time };
    }),
    isExpected,
    read: async input => {
      const connection = {
        ...quiet,
        gather: async (_subject, _data, _wait, onAnswer) => void onAnswer(answerOf(input as Buffer)),
      } as Partial<Connection> as Connection;
      const settings = () => sharedSettings;
      const options = { connection, clusterId: 'c', me, version: '1', settings, clock, log: silentLog };
      return (await Peers.open(options)).list()[0];
    },
  },
  {
    what: 'the record of a restore, signed with the key of the roll',
    covers: ['requester/ledger/restore-record.ts'],
    form: 'json',
    share: 0.4,
    valid: fc.record(
      {
        kind: fc.constant('muster.restore'),
        cluster: fc.constant('c'),
        revision: fc.constant(7),
        atMs: fc.integer({ min: 1 }),
      },
      plain,
    ),
    wrap: content => {
      try {
        return Buffer.from(writeSignedToken(parseJson(content) as object, issuerKey));
      } catch {
        // What is no JSON cannot be signed.
        return content;
      }
    },
    isExpected: () => false,
    read: input => restoredAtMs(entryOf(restoreKey, input as Buffer), 'c', issuerKey.publicKey) || undefined,
    check: value => assert.ok(Number.isSafeInteger(value)),
  },
  {
    what: 'the incarnation of the store',
    covers: ['requester/incarnation.ts'],
    form: 'json',
    valid: fc.record(
      { incarnation: fc.constant('abcdef012345'), created: fc.constant('2026-01-01T00:00:00Z') },
      plain,
    ),
    isExpected: isBrokerError,
    read: async input => {
      const bucket = bucketWith('store', input as Buffer);
      return (
        await Incarnation.open({ cluster: bucket, nodes: bucket, random, log: silentLog }, () => 0)
      ).find();
    },
    check: value => assert.match(String(value), /^[a-z0-9]{1,16}$/),
  },
  {
    what: 'the times at which nodes were last heard',
    covers: ['requester/health/last-seen-store.ts readLastSeen'],
    form: 'json',
    valid: fc.dictionary(
      nodeIds.filter(id => id !== '__proto__'),
      fc.integer({ min: 1, max: 2e9 }),
      { ...plain, minKeys: 1, maxKeys: 5 },
    ),
    isExpected: () => false,
    read: async input => {
      const seen = { warned: false };
      const { times: read } = await readLastSeen(bucketWith('seen.7', input as Buffer), noting(seen));
      return seen.warned ? undefined : read;
    },
    check: value => {
      for (const [id, at] of value as Map<string, number>) {
        assert.match(id, /^[A-Za-z0-9_-]{1,128}$/);
        assert.ok(Number.isFinite(new Date(at).getTime()));
      }
    },
  },
  {
    what: 'the list of the clients of the broker',
    covers: ['requester/enrolment/broker-clients.ts listClients'],
    form: 'json',
    valid: fc
      .array(
        fc.record(
          {
            cid: fc.nat(),
            ip: fc.ipV4(),
            name: fc.constant('node-1 instance=a'),
            authorized_user: fc.constant(clientKey.userKey),
          },
          plain,
        ),
        { minLength: 1, maxLength: 4 },
      )
      .map(connections => ({
        server: { name: 's' },
        data: {
          server_id: `N${'A'.repeat(55)}`,
          now: 'x',
          num_connections: connections.length,
          total: connections.length,
          connections,
        },
      })),
    read: async input => {
      let asked = 0;
      const request = () => {
        // However many clients the answer speaks of, the work has an end.
        assert.ok(++asked <= 1_000, 'it asks for more and more clients');
        return Promise.resolve(answerOf(input as Buffer));
      };
      const clients = await listClients({ request, gather: gatherOne() }, 'MUSTER');
      for (const { server, connection } of clients) {
        assert.match(server, /^N[A-Z2-7]{55}$/);
        assert.ok(Number.isSafeInteger(connection) && connection >= 0);
      }
      return clients;
    },
  },
  {
    what: 'the news of a client that came or went',
    covers: ['requester/enrolment/live-connections.ts'],
    form: 'json',
    valid: fc.nat().map(id => ({ server: { id: `N${'A'.repeat(55)}` }, client: { id, host: '192.0.2.1' } })),
    read: input => {
      const handlers: ((message: Message) => void)[] = [];
      const connection = {
        subscribe: (_: string, handler: (message: Message) => void) => handlers.push(handler),
        onState: () => undefined,
        request: () => Promise.reject(new BrokerError('timeout', 'no answer')),
        state: { kind: 'closed' },
      } as unknown as Connection;
      new LiveConnections({ connection, clock, log: silentLog }).start();
      for (const handle of handlers) handle(answerOf(input as Buffer));
      return true;
    },
  },
  {
    what: 'what another requester tells of a refused key',
    covers: ['requester/enrolment/refusal-exchange.ts'],
    form: 'json',
    valid: fc.record(
      {
        by: nodeIds,
        key: fc.constant(clientKey.publicKey),
        refusal: fc.record(
          { code: fc.constant('conflict'), reason: word, hint: word, fingerprint: word, replacedAt: times },
          { ...plain, requiredKeys: ['code', 'reason', 'hint', 'fingerprint'] },
        ),
        applicant: fc.record(
          {
            node: nodeIds,
            host: word,
            hostname: word,
            use: fc.constantFrom('agent', 'work'),
            instance: word,
            server: fc.constant(`N${'A'.repeat(55)}`),
            connection: fc.nat(),
          },
          { ...plain, requiredKeys: ['node', 'host', 'use', 'instance', 'server', 'connection'] },
        ),
      },
      plain,
    ),
    read: input => {
      const heard: object[] = [];
      const connection = {
        publish: () => true,
        subscribe: (_: string, handle: (message: Message) => void) => {
          handle(answerOf(input as Buffer));
          return noSubscription;
        },
      };
      const options = { connection, log: silentLog, clusterId: 'c', requesterId: '', hasPeers: () => true };
      new RefusalExchange(options).start(refused => heard.push(refused));
      return heard[0];
    },
  },
  {
    what: "JetStream's description of a stream",
    covers: ['transport/jetstream.ts readStreamInfo', 'transport/stream-copy.ts openStreamCopies'],
    form: 'json',
    valid: fc.nat().map(messages => ({
      type: 'io.nats.jetstream.api.v1.stream_info_response',
      config: { name: 'NODE_EVENTS', subjects: ['node.events.>'] },
      created: '2026-01-01T00:00:00Z',
      state: { messages, bytes: messages * 9, last_seq: messages },
    })),
    isExpected: isBrokerError,
    read: async input => {
      const one = await readStreamInfo(storage(input as Buffer), 'NODE_EVENTS');
      const counts = await openStreamCopies(storage(input as Buffer), clock).counts('NODE_EVENTS');
      for (const figure of [counts?.messages, counts?.lastSequence, counts?.replicas])
        assert.ok(Number.isSafeInteger(figure), `${figure}`);
      return one;
    },
    check: value => {
      const { state, created } = value as NonNullable<Awaited<ReturnType<typeof readStreamInfo>>>;
      for (const figure of Object.values(state))
        assert.ok(Number.isFinite(figure) && figure >= 0, `${figure}`);
      assert.equal(typeof created, 'string');
    },
  },
  {
    what: 'a stored message',
    covers: ['transport/stored-message.ts readStoredMessage', 'transport/jetstream.ts callApi'],
    form: 'json',
    valid: fc.nat().map(seq => ({
      message: {
        subject: 'node.events.node-1.approved',
        seq,
        data: Buffer.from('{}').toString('base64'),
        hdrs: Buffer.from('NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n').toString('base64'),
        time: '2026-01-01T00:00:00Z',
      },
    })),
    isExpected: isBrokerError,
    read: input => readStoredMessage(storage(input as Buffer), 'NODE_EVENTS', { seq: 1 }),
    check: value => {
      const { sequence, time, data } = value as NonNullable<Awaited<ReturnType<typeof readStoredMessage>>>;
      assert.ok(Number.isSafeInteger(sequence) && sequence >= 0 && Number.isFinite(time.getTime()));
      assert.ok(data instanceof Uint8Array);
    },
  },
];
