// Tests what counts as the reason of a decision.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageFlag } from '../../../../agent/cli/commands/node/message-flag.ts';

const read = (text: string) => messageFlag.kind.read(text, { folder: '', home: undefined });

test('blanks around a reason are left out, and blanks alone are none', () => {
  assert.deepEqual([' disk swap\n', ' \t ', ''].map(read), ['disk swap', '', '']);
});

test('a reason that a requester would refuse is refused before anybody is asked', () => {
  assert.equal(read('x'.repeat(1_024)).length, 1_024);
  assert.throws(() => read('x'.repeat(1_025)), { name: 'Refusal', message: /^has 1025 characters/ });
});
