// Tests the labels by which jobs select nodes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeLabels } from '../../agent/host/labels.ts';

const facts = { operatingSystem: 'linux', architecture: 'arm64' };

test('built-in labels have the names of both generations of Bacalhau', () => {
  assert.deepEqual(nodeLabels('node-1', facts, {}), {
    Architecture: 'arm64',
    'Operating-System': 'linux',
    name: 'node-1',
    os_arch: 'arm64',
    os_type: 'linux',
  });
});

test('a configured label is added, or replaces a built-in one of exactly the same name', () => {
  const labels = nodeLabels('node-1', facts, { zone: 'b', Architecture: 'emulated', NAME: 'other' });
  assert.equal(labels.zone, 'b');
  assert.equal(labels.Architecture, 'emulated');
  assert.equal(labels.os_arch, 'arm64');
  assert.deepEqual([labels.name, labels.NAME], ['node-1', 'other']);
});
