// Checks what `muster doctor` says of several requesters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peerFindings } from '../../../agent/doctor/checks/peers.ts';

const other = { requester: 'b', host: 'h', watches: true };

test('of a requester that is the only one nothing is said', () => {
  assert.deepEqual(peerFindings({ node: 'a', watcher: 'a', peers: [] }), []);
  assert.deepEqual(peerFindings({ node: 'a' }), []);
});

test('of several it is said who they are, and who watches', () => {
  const text = (watcher: string) => peerFindings({ node: 'a', watcher, peers: [other] })[0]?.text ?? '';
  assert.match(text('b'), /together with b on h; b watches/);
  assert.match(text('a'), /together with b on h; this one watches/);
});

test('another requester with other settings is a warning', () => {
  const peers = [{ ...other, differs: ['requester.manualApproval'] }];
  const [first, second] = peerFindings({ node: 'a', watcher: 'b', peers });
  assert.equal(first?.status, 'ok');
  assert.equal(second?.status, 'warning');
  assert.equal(second?.text, 'b has another requester.manualApproval');
});

test('another requester with another clock is a warning that says by how much', () => {
  const texts = [86_400_000, -45_000].map(clockAheadMs => {
    const [, finding] = peerFindings({ node: 'a', watcher: 'b', peers: [{ ...other, clockAheadMs }] });
    assert.equal(finding?.status, 'warning');
    return finding.text;
  });
  assert.deepEqual(texts, [
    "the clock of b on h is 24 h ahead of this requester's",
    "the clock of b on h is 45 s behind this requester's",
  ]);
});

test('a watcher that is not heard is a warning', () => {
  for (const peers of [[], [other]]) {
    const [finding] = peerFindings({ node: 'a', watcher: 'c', peers });
    assert.equal(finding?.status, 'warning');
    assert.match(finding?.text ?? '', /c did, and is silent/);
  }
  assert.equal(peerFindings({ node: 'a', peers: [other] })[0]?.status, 'warning');
});
