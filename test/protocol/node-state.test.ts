// Bacalhau's records of nodes are read and written unchanged, and muster's records hold more.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import {
  connectionStatusOf,
  divideChanges,
  neverConnected,
  nodeStateSchema,
} from '../../agent/protocol/node-state.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { capture } from '../support/captures.ts';
import { nodeStates } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';

const { Info: info } = capture('bprotocol/RegisterNode/v1').decoded as { Info: unknown };
const read = (text: string) => validate(nodeStateSchema, parseJson(Buffer.from(text)));
// A record as Bacalhau stores it, with node information that was recorded.
const stored =
  `{"Info":${writeJson(info)},"Membership":"APPROVED","Connection":"CONNECTED","ConnectionState":{"Status":"CONNECTED",` +
  '"LastHeartbeat":"2026-11-24T06:48:30.150958819Z","ConnectedSince":"2026-11-24T06:48:30.150958649Z",' +
  '"DisconnectedSince":"0001-01-01T00:00:00Z"}}';

test('a record of Bacalhau is written again as it was', () => {
  assert.equal(writeJson(read(stored)), stored);
  const sequences = stored.replace(
    '"ConnectedSince"',
    '"LastComputeSeqNum":5,"LastOrchestratorSeqNum":9,"ConnectedSince"',
  );
  const failed = sequences.replace('00:00:00Z"}}', '00:00:00Z","LastError":"heartbeat timeout"}}');
  assert.equal(writeJson(read(sequences)), sequences);
  assert.equal(writeJson(read(failed)), failed);
});

test('a record of Bacalhau 1.5 has no connection state', () => {
  const old = `{"Info":${writeJson(info)},"Membership":"PENDING","Connection":"DISCONNECTED"}`;
  assert.equal(writeJson(read(old)), old);
});

test('any record is read back', () => {
  fc.assert(
    fc.property(nodeStates, state => {
      const text = writeJson(state);
      fc.pre(Buffer.byteLength(text) <= 65_536);
      assert.deepEqual(read(text), state);
    }),
  );
});

describe('unknown values', () => {
  const withMembership = (value: string) => read(stored.replace('"APPROVED"', value)).Membership;
  const withConnection = (value: string) => read(stored.replaceAll('"CONNECTED"', value));

  test('are not a membership: a typing error approves nobody', () => {
    for (const value of ['""', 'null', '"approved"', '"Approved"', '" APPROVED"', '"UNKNOWN"', '"__proto__"'])
      assert.equal(withMembership(value), '', value);
    for (const value of ['PENDING', 'APPROVED', 'REJECTED'])
      assert.equal(withMembership(`"${value}"`), value);
    for (const value of ['1', 'true', '{}', '["APPROVED"]', `"${'x'.repeat(65)}"`])
      refuses(() => withMembership(value), 'invalid_field', 'Membership', value);
  });

  test('are not a connection status', () => {
    for (const value of ['""', 'null', '"connected"', '"HEALTHY"', '"UNKNOWN"']) {
      const { Connection, ConnectionState } = withConnection(value);
      assert.deepEqual([Connection, ConnectionState?.Status], ['DISCONNECTED', 'DISCONNECTED'], value);
    }
    for (const value of ['1', `"${'x'.repeat(65)}"`])
      refuses(() => withConnection(value), 'invalid_field', 'Connection', value);
  });
});

describe('the members of muster', () => {
  const withMuster = (muster: object) => () => validate(nodeStateSchema, { ...read(stored), Muster: muster });
  const at = '2026-11-24T06:48:30Z';
  const decision = { Action: 'approve', Reason: 'known', Actor: 'ops', At: at };
  const change = { Kind: 'approved', Revision: 7, At: at, Previous: 'PENDING', Current: 'APPROVED' };

  test('are absent where they are null', () => {
    assert.equal('Muster' in validate(nodeStateSchema, { ...read(stored), Muster: null }), false);
    const names = [
      'Session',
      'Instance',
      'BootID',
      'Version',
      'RegisteredAt',
      'Decision',
      'Operation',
      'Changes',
    ];
    const nulls = Object.fromEntries(names.map(name => [name, null]));
    assert.deepEqual(withMuster(nulls)().Muster, {});
  });

  test('are refused with the name of the field', () => {
    const bad: [object, string][] = [
      [{ Session: 5 }, 'Muster.Session'],
      [{ RegisteredAt: 'today' }, 'Muster.RegisteredAt'],
      [{ Decision: { ...decision, Action: 'x'.repeat(65) } }, 'Muster.Decision.Action'],
      [{ Decision: { ...decision, At: '' } }, 'Muster.Decision.At'],
      [{ Decision: { ...decision, Reason: 'x'.repeat(1025) } }, 'Muster.Decision.Reason'],
      [{ Decision: { ...decision, Actor: 'x'.repeat(257) } }, 'Muster.Decision.Actor'],
      [{ Changes: [change, 5] }, 'Muster.Changes.1'],
      [{ Changes: Array(65).fill(change) }, 'Muster.Changes'],
      [{ Changes: {} }, 'Muster.Changes'],
    ];
    for (const [muster, field] of bad) refuses(withMuster(muster), 'invalid_field', field);
  });

  test('hold changes that only a later version knows, apart from the others', () => {
    const later = [
      { ...change, Kind: 'frobnicated' },
      { ...change, Revision: -1 },
      { ...change, Previous: 'QUARANTINED' },
      { ...change, Reason: 'x'.repeat(1025) },
      { ...change, Actor: 'x'.repeat(257) },
      {},
    ];
    const Changes = withMuster({ Changes: [change, ...later, change] })().Muster?.Changes ?? [];
    assert.deepEqual(divideChanges(Changes), { known: [change, change], later });
  });

  test('hold up to 64 changes that wait for their events', () => {
    assert.equal(withMuster({ Changes: Array(64).fill(change) })().Muster?.Changes?.length, 64);
  });
});

test('connectionStatusOf returns the health in the words of Bacalhau', () => {
  assert.equal(connectionStatusOf('HEALTHY'), 'CONNECTED');
  assert.equal(connectionStatusOf('UNHEALTHY'), 'DISCONNECTED');
  assert.equal(connectionStatusOf('UNKNOWN'), 'DISCONNECTED');
});

test('an absent connection state is read like the state of a node that never sent a heartbeat', () => {
  assert.deepEqual(
    validate(nodeStateSchema, { ...read(stored), ConnectionState: {} }).ConnectionState,
    neverConnected,
  );
  const nulls = { LastComputeSeqNum: null, LastOrchestratorSeqNum: null, LastError: null, Status: null };
  assert.deepEqual(
    validate(nodeStateSchema, { ...read(stored), ConnectionState: nulls }).ConnectionState,
    neverConnected,
  );
});
