// Checks what `muster doctor` says of a NATS of one's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trustFindings } from '../../../agent/doctor/checks/trust.ts';

const nothing = { approved: { publish: [], subscribe: [] } };
const opened = { approved: { publish: ['results.{nodeId}'], subscribe: [] } };

test('a NATS that asks the requester is fine, with a reminder of the routes, which nobody sees', () => {
  const [finding, ...others] = trustFindings({ trust: 'keys' }, opened);
  assert.equal(finding?.status, 'ok');
  assert.match(finding?.text ?? '', /routes .* password and TLS/);
  assert.deepEqual(others, []);
});

test('a shared NATS is a warning, and one that was not asked yet is nothing', () => {
  const [finding] = trustFindings({ trust: 'shared' }, nothing);
  assert.equal(finding?.status, 'warning');
  assert.match(finding?.text ?? '', /approval is bookkeeping/);
  assert.deepEqual(trustFindings({ trust: 'unknown' }, opened), []);
});

test('subjects for approved nodes are a warning of their own on a shared NATS, which opens none', () => {
  const [, finding, ...others] = trustFindings({ trust: 'shared' }, opened);
  assert.equal(finding?.status, 'warning');
  assert.match(
    `${finding?.text}; ${finding?.remedy}`,
    /broker\.approved opens nothing.*muster broker config/,
  );
  assert.deepEqual(others, []);
});
