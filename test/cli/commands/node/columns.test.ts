// Checks when `node list` says of a requester that it watches.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShownNode } from '../../../../agent/api/answers.ts';
import { narrowFor, wideFor } from '../../../../agent/cli/commands/node/columns.ts';
import { nodeView } from '../../../../agent/requester/directory/node-view.ts';
import { record, requesterNode } from '../../../requester/samples.ts';

const requester = (id: string, watches: boolean): ShownNode => {
  const state = record(id, 'APPROVED', { Info: requesterNode(id) });
  return nodeView(state, 'UNKNOWN', undefined, undefined, undefined, undefined, undefined, watches);
};

/** Returns the notes in a table of these nodes; undefined for a table without notes. */
const notes = (columns: typeof narrowFor, nodes: readonly ShownNode[]) => {
  const cell = columns(nodes).find(([title]) => title === 'NOTE')?.[1];
  return cell && nodes.map(cell);
};

test('one of several requesters is marked as the one that watches, and a single one is not', () => {
  const [one, other] = [requester('node-0', false), requester('node-b', true)];
  for (const columns of [narrowFor, wideFor])
    assert.deepEqual(notes(columns, [one, other]), ['-', 'watches']);
  assert.equal(notes(narrowFor, [other]), undefined);
  assert.deepEqual(notes(wideFor, [other]), ['-']);
});
