// What an operator types for a new join code becomes the request and the command that make it, or says what is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodeWish, commandOf, orderOf, usualWish } from '../../../agent/web/cluster/code-order.ts';

const wish = (more: Partial<CodeWish>): CodeWish => ({ ...usualWish, ...more });

test('the usual code is that of the command without flags', () => {
  assert.deepEqual(orderOf(usualWish), {
    ExpiresInSeconds: 3_600,
    Uses: 1,
    Approve: false,
    Labels: {},
    Network: '',
  });
  assert.equal(commandOf(usualWish), 'muster join-code create');
});

test('each field reaches the request and the command', () => {
  const typed = wish({
    uses: '40',
    forText: '8h',
    approve: true,
    labels: 'rack=b7, zone=east',
    network: '10.0.0.0/8',
  });
  assert.deepEqual(orderOf(typed), {
    ExpiresInSeconds: 28_800,
    Uses: 40,
    Approve: true,
    Labels: { rack: 'b7', zone: 'east' },
    Network: '10.0.0.0/8',
  });
  assert.equal(
    commandOf(typed),
    'muster join-code create --uses 40 --expires 8h --approve --labels rack=b7 --labels zone=east --network 10.0.0.0/8',
  );
});

test('what cannot be meant is refused with a sentence', () => {
  const wrong: Partial<CodeWish>[] = [
    { uses: '0' },
    { uses: '10001' },
    { uses: '1e3' },
    { uses: '' },
    { forText: '59s' },
    { forText: '31d' },
    { forText: 'soon' },
    { labels: 'rack' },
    { labels: 'rack=a rack=b' },
    { labels: 'r ck=a' },
    { labels: '__proto__' },
  ];
  for (const each of wrong) {
    const order = orderOf(wish(each));
    assert.ok('fault' in order, JSON.stringify(each));
    assert.match(order.fault, /\.$/);
  }
});

test('a word for the shell stays one word', () => {
  assert.match(commandOf(wish({ labels: "rack=$(reboot)'" })), /--labels 'rack=\$\(reboot\)'\\'''$/);
});
