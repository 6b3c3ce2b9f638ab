// Tests the route that explains a node: it says what `muster node explain` says, in the same words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainNodeText } from '../../../agent/cli/commands/node/explain-node-text.ts';
import type { ExplanationView } from '../../../agent/protocol/explanation.ts';
import { call, cluster, serve } from './api-fixture.ts';

const explanationOf = (name: string) => `/api/v1/orchestrator/nodes/${name}/explanation`;

test('a node is explained in the words of the command', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const answer = await call(api, explanationOf('node-1'));
  assert.equal(answer.status, 200, answer.text);
  const { Title, Sections, Labels, Advice } = answer.json() as unknown as ExplanationView;
  assert.equal(Title, 'node-1 is PENDING and HEALTHY');
  assert.deepEqual(
    Sections.map(({ Title }) => Title),
    ['membership', 'health'],
  );
  assert.deepEqual(Advice.map(({ Command }) => Command).at(-1), 'muster node reject node-1 -m REASON');

  const Node = directory.get('node-1');
  const text = explainNodeText({ Node, Events: [], Advice: [...Advice] }, new Date(), 1_000);
  const words = [Title, ...Labels.flat(), ...Advice.map(({ Why }) => Why)];
  // The rows with a time say how long ago it is.
  const lasting = Sections.flatMap(({ Rows }) => Rows.flat()).filter(word => !/ago|in \d/.test(word));
  for (const word of [...words, ...lasting])
    assert.ok(text.includes(word), `"${word}" is missing in\n${text}`);
});

test('a node that is not on the roll has no explanation', async t => {
  const api = await serve(t, cluster());
  for (const name of ['node-9', '%3Cb%3E'])
    assert.equal((await call(api, explanationOf(name))).status, 404, name);
});
