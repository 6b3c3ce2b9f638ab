// What the commands about CAs say where only the HTTP API uses them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authoritiesText } from '../../../../agent/cli/commands/broker/authorities-text.ts';
import type { AuthoritiesView } from '../../../../agent/protocol/http-authorities.ts';

const [one, two] = ['A'.repeat(43), 'B'.repeat(43)];

/** Returns the lines below the table. */
function stepsOf(...authorities: [pin: string, use: string][]): string[] {
  const view: AuthoritiesView = {
    Authorities: authorities.map(([Pin, Use]) => ({ Pin, Use })),
    Ready: authorities.some(([, use]) => use === 'next'),
    Missing: 0,
    MissingNodes: [],
    CA: '',
    ApiOnly: true,
  };
  return authoritiesText(view)
    .trimEnd()
    .split('\n')
    .slice(authorities.length + 1);
}

test('a CA that only the API uses is shown as such, and no step is about nodes', () => {
  const use = 'Only the HTTP API uses this CA: the nodes reach their broker without it.';
  assert.deepEqual(stepsOf([one, 'present']), [use]);
  assert.deepEqual(stepsOf([one, 'present'], [two, 'next']), [
    use,
    'Give operators elsewhere what this prints: muster broker ca -o pem',
    'Then restart the requester to use the next CA.',
  ]);
  const [first, second, ...others] = stepsOf([two, 'present'], [one, 'former']);
  assert.equal(first, use);
  assert.match(second ?? '', new RegExp(`muster broker forget-ca ${one}$`));
  assert.deepEqual(others, []);
});
