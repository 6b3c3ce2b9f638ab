// Tests over real HTTP that the history of a node is served, and that there is none of a node that nobody knows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, cluster, serve } from './api-fixture.ts';

const history = '/api/v1/orchestrator/history';

test('the history of a node is served by its id or a unique beginning', async t => {
  const api = await serve(t, cluster());
  const answer = await call(api, `${history}/node-1`);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json().NodeID, 'node-1');
  assert.deepEqual(answer.json().Used, { CPU: [null], Memory: [null], Disk: [null] });
  for (const name of ['nobody', 'a%2Fb', '%3Cimg%3E', '*'])
    assert.equal((await call(api, `${history}/${name}`)).status, 404, name);
  assert.equal((await call(api, `${history}/node`)).status, 409);
  const closed = await serve(t, cluster(), { openReads: false });
  assert.equal((await call(closed, `${history}/node-1`)).status, 401);
});
