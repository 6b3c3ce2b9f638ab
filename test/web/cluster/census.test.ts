// The roll in numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeCensus } from '../../../agent/web/cluster/census.ts';
import { rollRow } from '../../support/roll-rows.ts';

const offer = {
  capacity: { cpu: 8, memory: 100, disk: 50, gpu: 2 },
  available: { cpu: 6, memory: 40, disk: 50, gpu: 0 },
};

test('only what may be given work counts as capacity, and requesters count as no nodes', () => {
  const census = takeCensus([
    rollRow('node-0', { type: 'Requester', approval: 'APPROVED', status: 'UNKNOWN', ...offer }),
    rollRow('a', { approval: 'APPROVED', status: 'HEALTHY', schedulable: true, ...offer }),
    rollRow('b', { approval: 'APPROVED', status: 'HEALTHY', schedulable: true, ...offer }),
    rollRow('cordoned', { approval: 'APPROVED', status: 'HEALTHY', schedulable: false, ...offer }),
    rollRow('silent', { approval: 'APPROVED', status: 'UNKNOWN', schedulable: true, ...offer }),
    rollRow('new', { approval: 'PENDING', status: 'HEALTHY', schedulable: false, ...offer }),
  ]);
  assert.equal(census.nodes, 5);
  assert.equal(census.ready, 2);
  assert.deepEqual(census.capacity, { cpu: 16, memory: 200, disk: 100, gpu: 4 });
  assert.deepEqual(census.free, { cpu: 12, memory: 80, disk: 100, gpu: 0 });
  assert.deepEqual(Object.fromEntries(census.byState), {
    'APPROVED HEALTHY': 3,
    'APPROVED UNKNOWN': 1,
    'PENDING HEALTHY': 1,
  });
});

test('versions and notes are counted, the most frequent first', () => {
  const note = (what: string) => ({ what, text: what, since: null });
  const census = takeCensus([
    rollRow('a', { version: '0.2.0', notes: [note('silent'), note('GpuMissing')] }),
    rollRow('b', { version: '0.1.0', notes: [note('GpuMissing')] }),
    rollRow('c', { version: '0.1.0', notes: [] }),
    rollRow('d', { version: '' }),
  ]);
  assert.deepEqual(census.versions, [
    ['0.1.0', 2],
    ['0.2.0', 1],
    ['not known', 1],
  ]);
  assert.deepEqual(census.notes, [
    ['GpuMissing', 2],
    ['silent', 1],
  ]);
});
