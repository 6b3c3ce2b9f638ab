// The record of the streams that a roll has made: what is noted in it, and who has changed a stream in place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MadeStreams,
  madeStreamsKey,
  noteMadeStreams,
  raisedOf,
  readMadeOn,
} from '../../agent/requester/made-streams.ts';
import { silentLog } from '../../agent/system/log.ts';
import { BrokerError, type BucketEntry, type StreamReplicas } from '../../agent/transport/port.ts';

/** A bucket with this one record. `onPut` may fail a write. */
function stage() {
  let entry: BucketEntry | undefined;
  const fault: { onPut?: (() => void) | undefined } = {};
  const bucket = {
    get: async () => entry,
    put: async (key: string, value: Uint8Array, revision: number) => {
      fault.onPut?.();
      if (revision !== (entry?.revision ?? 0)) throw new BrokerError('revision_conflict', 'somebody wrote');
      const next = revision + 1;
      entry = { key, value, revision: next, marker: false, headers: {}, created: new Date(0) };
      return next;
    },
  };
  return {
    bucket,
    fault,
    madeOn: () => Object.fromEntries(readMadeOn(entry)),
    revision: () => entry?.revision,
  };
}

const on = (stream: string, replicas: number): StreamReplicas => ({
  stream,
  replicas,
  servers: 3,
  leader: 's0',
  others: [],
});

test('a stream that is found for the first time is noted, and one with more servers than that was raised', async () => {
  const { bucket, madeOn, revision } = stage();
  let changes = 0;
  const made = new MadeStreams({ log: silentLog, onChange: () => changes++ });
  await made.compare([on('KV_node_v1', 1)]);
  assert.deepEqual(madeOn(), {}, 'no store is open yet');
  await made.read(bucket);
  await made.compare([on('KV_node_v1', 1)]);
  await made.compare([on('KV_node_v1', 1), on('NODE_EVENTS', 3)]);
  await made.compare([on('KV_node_v1', 1), on('NODE_EVENTS', 3)]);
  assert.deepEqual([madeOn(), revision()], [{ KV_node_v1: 1, NODE_EVENTS: 3 }, 2]);
  assert.deepEqual(
    [made.raised, changes, made.has('KV_node_v1'), made.has('KV_muster_v1')],
    [[], 0, true, false],
  );
  await made.compare([on('KV_node_v1', 3), on('NODE_EVENTS', 1)]);
  assert.deepEqual([made.raised, changes], [[{ stream: 'KV_node_v1', from: 1, to: 3 }], 1]);
  // A command has made it anew.
  await noteMadeStreams(bucket, () => new Map([['KV_node_v1', 3]]));
  await made.compare([on('KV_node_v1', 3)]);
  assert.deepEqual([made.raised, changes], [[], 2]);
});

test('what another requester writes at the same moment stays, and a store that does not answer is tried again', async () => {
  const { bucket, fault, madeOn } = stage();
  const made = new MadeStreams({ log: silentLog, onChange: () => undefined });
  await made.read(bucket);
  let isBeside = false;
  fault.onPut = () => {
    if (isBeside) return;
    isBeside = true;
    void noteMadeStreams(bucket, before => new Map([...before, ['NODE_EVENTS', 1]]));
    throw new BrokerError('revision_conflict', 'somebody wrote');
  };
  await made.compare([on('NODE_EVENTS', 3)]);
  assert.deepEqual(madeOn(), { NODE_EVENTS: 1 });
  assert.deepEqual(made.raised, [{ stream: 'NODE_EVENTS', from: 1, to: 3 }]);
  fault.onPut = () => {
    throw new BrokerError('timeout', 'no answer');
  };
  await made.compare([on('KV_node_v1', 3)]);
  assert.equal(made.has('KV_node_v1'), false);
  fault.onPut = undefined;
  await made.compare([on('KV_node_v1', 3)]);
  assert.equal(made.has('KV_node_v1'), true);
});

test('a record that cannot be read says nothing', () => {
  const entry = { key: madeStreamsKey, revision: 1, marker: false, headers: {}, created: new Date(0) };
  assert.equal(readMadeOn({ ...entry, value: Buffer.from('[1]') }).size, 0);
  assert.equal(readMadeOn({ ...entry, value: Buffer.from('{"KV_node_v1":{"servers":0}}') }).size, 0);
  assert.deepEqual(raisedOf(new Map(), [on('KV_node_v1', 3)]), []);
});
