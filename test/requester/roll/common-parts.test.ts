// Records that share their common parts are equal to the originals, and each part is kept once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CommonParts } from '../../../agent/requester/roll/common-parts.ts';
import { nodeStates } from '../../support/messages.ts';
import { computeInfo, record } from '../samples.ts';

test('a shared record equals the original, and the original is not changed', () => {
  const parts = new CommonParts();
  fc.assert(
    fc.property(nodeStates, state => {
      const before = structuredClone(state);
      assert.deepEqual(parts.share(state), before);
      assert.deepEqual(parts.share(structuredClone(state)), before);
      assert.deepEqual(state, before);
    }),
  );
});

test('the common parts of two nodes are one object, and their own parts are not', () => {
  const parts = new CommonParts();
  const of = (id: string, kernel: string) =>
    parts.share({
      ...record(id, 'PENDING'),
      Info: { ...computeInfo(id), Host: { Kernel: kernel }, Agent: { Version: '1.0.0' } },
    }).Info;
  const [one, alike, other] = [of('n-1', '6.12'), of('n-2', '6.12'), of('n-3', '6.18')];
  assert.equal(one.Host, alike.Host);
  assert.notEqual(one.Host, other.Host);
  assert.equal(one.Agent, other.Agent);
  assert.equal(one.BacalhauVersion, other.BacalhauVersion);
  assert.deepEqual(
    [one, alike, other].map(info => [info.NodeID, info.Host?.Kernel]),
    [
      ['n-1', '6.12'],
      ['n-2', '6.12'],
      ['n-3', '6.18'],
    ],
  );
});

test('what a record has twice is kept once, and what only looks alike is not', () => {
  const parts = new CommonParts();
  const of = (capacity: object, forJobs: object) => {
    const info = computeInfo('n-1');
    const ComputeNodeInfo = { ...info.ComputeNodeInfo, MaxCapacity: capacity, MaxJobRequirements: forJobs };
    return parts.share({ ...record('n-1', 'PENDING'), Info: { ...info, ComputeNodeInfo } }).Info
      .ComputeNodeInfo;
  };
  const same = of({ CPU: 4, Disk: 7 }, { CPU: 4, Disk: 7 });
  assert.equal(same.MaxCapacity, same.MaxJobRequirements);
  const gpu = { Index: 0, Name: 'x', Vendor: '', Memory: 1, PCIAddress: '' };
  for (const [one, other] of [
    [{ CPU: 4 }, { CPU: 5 }],
    [{ CPU: 4 }, { CPU: 4, Memory: 1 }],
    [{ CPU: 4 }, { CPU: 4, GPU: 1 }],
    [{ GPU: 1 }, { GPU: 1, GPUs: [gpu] }],
  ] as const) {
    const { MaxCapacity, MaxJobRequirements } = of(one, other);
    assert.deepEqual([MaxCapacity, MaxJobRequirements], [one, other]);
  }
});

test('nodes that all differ are kept whole, and the memory for parts is bounded', () => {
  const parts = new CommonParts();
  const share = (n: number) =>
    parts.share({ ...record('n-1', 'PENDING'), Info: { ...computeInfo('n-1'), Host: { CPUs: n } } }).Info
      .Host;
  const first = share(0);
  for (let n = 1; n <= 5_000; n++) assert.equal(share(n)?.CPUs, n);
  assert.notEqual(share(0), first, 'the first part was forgotten');
  assert.equal(share(0), share(0));
});
