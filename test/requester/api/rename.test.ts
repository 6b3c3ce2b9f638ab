// Tests what the HTTP API refuses of a rename before anybody decides about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, put, serve } from './api-fixture.ts';

const noId = 'NewID is no id of a node: an id is 1 to 128 letters, digits, - and _';

for (const [what, body, detail] of [
  ['without a new id', {}, noId],
  ['with an empty one', { NewID: '' }, noId],
  ['with null', { NewID: null }, noId],
  ['with a path', { NewID: '../gpu-7' }, noId],
  ['with a line end', { NewID: 'gpu-7\n' }, noId],
  ['with a wildcard', { NewID: 'gpu.>' }, noId],
  ['with 129 characters', { NewID: 'x'.repeat(129) }, noId],
  ['with 257 characters', { NewID: 'x'.repeat(257) }, /NewID: longer than 256 characters$/],
  ['with a number', { NewID: 7 }, /NewID: Invalid type: Expected string but received 7$/],
  ['with a list', { NewID: ['gpu-7'] }, /NewID: Invalid type: Expected string but received Array$/],
  ['with an object', { NewID: { id: 'gpu-7' } }, /NewID: Invalid type: Expected string/],
  ['with labels', { NewID: 'gpu-7', Labels: { rack: 'b7' } }, 'only the action label has labels'],
  ['as another action', { Action: 'approve', NewID: 'gpu-7' }, 'only the action rename has a NewID'],
] as const)
  test(`a rename ${what} is answered 400, and nothing changes`, async t => {
    const directory = cluster();
    const before = [...directory.nodes.keys()];
    const api = await serve(t, directory);
    const answer = await put(api, 'node-1', { Action: 'rename', Exact: true, ...body });
    assert.equal(answer.status, 400, answer.text);
    const text = String(answer.json().detail ?? answer.json().Message);
    if (typeof detail === 'string') assert.equal(text, detail);
    else assert.match(text, detail);
    assert.deepEqual([...directory.nodes.keys()], before);
  });
