// When a node was last heard, by a record that muster or Bacalhau wrote.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NodeConnectionState, NodeState } from '../../../agent/protocol/node-state.ts';
import { heardBefore } from '../../../agent/requester/health/heard-before.ts';
import { recordsOf } from '../../support/bacalhau/stored-bucket.ts';

const now = new Date('2025-03-11T00:00:00Z');
const earlier = Date.parse('2025-03-01T00:00:00Z');
const later = Date.parse('2025-03-10T20:00:00Z');

const recordOf = (id: string): NodeState =>
  recordsOf('1.9.3').find(({ Info }) => Info.NodeID === id) as unknown as NodeState;
const ended = recordOf('n-rejected');
const endedAt = Date.parse(ended.ConnectionState?.LastHeartbeat ?? '');
const connected = recordOf('n-approved');

describe('a record that Bacalhau wrote last', () => {
  test('tells when a node that is not connected was heard, unless muster heard it later', () => {
    assert.equal(heardBefore(ended, now), endedAt);
    assert.equal(heardBefore(ended, now, earlier), endedAt);
    assert.equal(heardBefore(ended, now, later), later);
  });

  test('of a connected node tells nothing, and what muster heard before is no news either', () => {
    assert.equal(heardBefore(connected, now), undefined);
    assert.equal(heardBefore(connected, now, earlier), undefined);
    assert.equal(heardBefore(connected, now, later), later);
  });

  test('is not believed when its time is still to come, or is none', () => {
    const at = (LastHeartbeat: string) => ({
      ...ended,
      ConnectionState: { ...(ended.ConnectionState as NodeConnectionState), LastHeartbeat },
    });
    assert.equal(heardBefore(at('9999-01-01T00:00:00Z'), now), undefined);
    assert.equal(heardBefore(at('9999-01-01T00:00:00Z'), now, earlier), earlier);
    assert.equal(heardBefore(at('0001-01-01T00:00:00Z'), now), undefined);
    const { ConnectionState: _none, ...older } = ended;
    assert.equal(heardBefore(older, now), undefined);
  });
});

test('a record that muster wrote tells only what a rename or a tombstone kept', () => {
  assert.equal(heardBefore({ ...ended, Muster: {} }, now), undefined);
  assert.equal(heardBefore({ ...ended, Muster: {} }, now, earlier), earlier);
});
