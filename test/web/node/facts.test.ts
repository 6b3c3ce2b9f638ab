// Who a node is: nothing is told that is not known, and what the node says of itself is told as such.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RollRow } from '../../../agent/protocol/roll-rows.ts';
import { factsOf } from '../../../agent/web/node/facts.ts';
import { rollRow } from '../../support/roll-rows.ts';

const nothingKnown: Partial<RollRow> = {
  host: '',
  machine: {
    os: '',
    kernel: '',
    arch: '',
    cpuModel: '',
    cpus: null,
    memory: null,
    disk: null,
    virtualisation: '',
    gpuDriver: '',
  },
  approval: 'PENDING',
  capacity: { cpu: 0, memory: 0, disk: 0, gpu: 0 },
  running: null,
  waiting: null,
  heardAt: null,
  address: '',
  fingerprint: '',
  joinCode: '',
  registeredAt: null,
  version: '',
  protocol: '',
};

const shown = (row: Parameters<typeof factsOf>[0]) =>
  Object.fromEntries(factsOf(row).map(({ label, value, from }) => [label, `${value} | ${from}`]));

test('of a node that only registered, only that is told', () => {
  assert.deepEqual(shown(rollRow('a', { ...nothingKnown, registeredAt: 0, fingerprint: 'AAAA-BBBB' })), {
    Fingerprint: 'AAAA-BBBB | proved at each connection',
    Registered: '1970-01-01 00:00:00 UTC | noted by the requester',
    Approval: 'PENDING | noted by the requester',
  });
});

test('each fact says where it comes from', () => {
  const row = rollRow('a', {
    ...nothingKnown,
    host: 'gpu-7',
    unverified: true,
    approval: 'REJECTED',
    decision: { action: 'reject', reason: 'too old', actor: 'ada', at: 1_000 },
    gpus: [0, 1].map(index => ({ index, name: 'A100', vendor: 'NVIDIA', memoryMib: 81_920 })),
    capacity: { cpu: 1.6, memory: 2e9, disk: 0, gpu: 2 },
    running: 2,
    waiting: 1,
  });
  const facts = shown(row);
  assert.equal(facts.Host, 'gpu-7 | the node says so');
  assert.equal(facts.Fingerprint, 'none | nobody checks a key of it');
  assert.equal(facts.Approval, 'REJECTED (too old) | decided by ada');
  assert.equal(facts.GPU, '2 × NVIDIA A100 (86 GB) | the node says so');
  assert.equal(facts.Offers, '1.6 CPU, 2.0 GB memory, 2 GPU | set on the node');
  assert.equal(facts.Runs, '2, and 1 more wait | the node says so');
});

test('a requester has no approval and no key', () => {
  assert.deepEqual(
    shown(rollRow('node-0', { ...nothingKnown, type: 'Requester', approval: 'APPROVED', unverified: true })),
    {},
  );
});
