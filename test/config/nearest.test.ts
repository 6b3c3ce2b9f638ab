// findNearest finds the known word that a misspelled word stands for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findNearest } from '../../agent/config/nearest.ts';

const commands = ['agent', 'requester', 'node', 'events', 'status', 'config', 'version'];

test('finds a word with a missing, added, changed or swapped letter, in any case and with any dashes', () => {
  assert.equal(findNearest('agnet', commands), 'agent');
  assert.equal(findNearest('statu', commands), 'status');
  assert.equal(findNearest('versions', commands), 'version');
  assert.equal(findNearest('CONFIG', commands), 'config');
  assert.equal(findNearest('reqeuster', commands), 'requester');
  assert.equal(findNearest('heartbeat_frequency', ['heartbeatFrequency']), 'heartbeatFrequency');
});

test('finds nothing when no word is near', () => {
  for (const word of ['', '--', 'x', 'zebra', 'nd', 'n'.repeat(10_000)])
    assert.equal(findNearest(word, commands), undefined, word);
  assert.equal(findNearest('agent', []), undefined);
});

test('does not find another word because both are in a group with a long name', () => {
  const keys = [
    'compute.allocatedCapacity.cpu',
    'compute.allocatedCapacity.disk',
    'nats.tls.keyFile',
    'log.level',
  ];
  for (const [word, meant] of [
    ['compute.allocatedCapacity.ram', undefined],
    ['compute.allocatedCapacity.mem', undefined],
    ['compute.allocatedCapacity.disc', 'compute.allocatedCapacity.disk'],
    ['compute.alocatedCapacity.cpus', 'compute.allocatedCapacity.cpu'],
    ['nats.tls.key', 'nats.tls.keyFile'],
    ['nats.tls.ke', undefined],
    ['nats.tls.keyfiel', 'nats.tls.keyFile'],
    ['log.lvl', 'log.level'],
    ['log-levle', 'log.level'],
  ] as const) {
    assert.equal(findNearest(word, keys), meant, word);
  }
  const variables = ['MUSTER_NATS_USER', 'MUSTER_API_PORT', 'MUSTER_NODE_ID'];
  assert.equal(findNearest('MUSTER_NATS_URL', variables), undefined);
  assert.equal(findNearest('MUSTER_API_URL', variables), undefined);
  assert.equal(findNearest('MUSTER_NODE', variables), 'MUSTER_NODE_ID');
});

test('finds the only word that begins like the given one', () => {
  const keys = ['broker.binary', 'compute.heartbeatFrequency', 'compute.heartbeatTopic', 'nats.user'];
  assert.equal(findNearest('broker.bin', keys), 'broker.binary');
  assert.equal(findNearest('compute.heartbeat', keys), undefined);
});

test('finds the nearest word, and the first of several equal ones', () => {
  assert.equal(findNearest('cat', ['cut', 'cats', 'cat']), 'cat');
  assert.equal(findNearest('cat', ['cut', 'cot']), 'cut');
});

test('finds a known word itself', () => {
  fc.assert(fc.property(fc.constantFrom(...commands), word => findNearest(word, commands) === word));
});

test('finds any word of six letters from which one letter was removed', () => {
  const word = fc.stringMatching(/^[a-z]{6,20}$/);
  fc.assert(
    fc.property(
      word,
      fc.nat(5),
      (known, at) => findNearest(known.slice(0, at) + known.slice(at + 1), [known]) === known,
    ),
  );
});
