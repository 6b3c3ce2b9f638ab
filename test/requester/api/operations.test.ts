// Tests that each change belongs to an operation, and the route that says what became of one.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { newOperation, operationPattern } from '../../../agent/protocol/operation.ts';
import type { Decision } from '../../../agent/requester/roll/decisions.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { tokens } from '../../support/fake-operators.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const operation = newOperation(new Date(), randomUUID());
const operations = '/api/v1/orchestrator/operations';

test('a change names its operation, and the answer too; without one the requester makes it', async t => {
  const directory = cluster();
  const seen: (string | undefined)[] = [];
  directory.approve = async (_: string, decision: Decision) => void seen.push(decision.operation);
  const api = await serve(t, directory);
  const given = await put(
    api,
    'node-1',
    { Action: 'approve' },
    { headers: { 'Muster-Operation': operation } },
  );
  assert.deepEqual([given.status, given.headers['muster-operation'], seen[0]], [200, operation, operation]);
  const made = await put(api, 'node-1', { Action: 'approve' });
  assert.match(seen[1] ?? '', operationPattern);
  assert.equal(made.headers['muster-operation'], seen[1]);
});

test('a refusal names the operation too, and a read has none', async t => {
  const api = await serve(t, cluster());
  const refused = await put(
    api,
    'nobody',
    { Action: 'approve' },
    { headers: { 'Muster-Operation': operation } },
  );
  assert.deepEqual([refused.status, refused.headers['muster-operation']], [404, operation]);
  const read = await call(api, '/api/v1/orchestrator/nodes', { headers: { 'Muster-Operation': 'x' } });
  assert.deepEqual([read.status, read.headers['muster-operation']], [200, undefined]);
});

test('what is no id of an operation is refused, and nothing is decided', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  for (const text of ['x', randomUUID(), `${operation}0`, 'ä'.repeat(36)]) {
    const answer = await put(api, 'node-1', { Action: 'approve' }, { headers: { 'Muster-Operation': text } });
    assert.equal(answer.status, 400, text);
    assert.match(answer.text, /the id of an operation is a UUID of version 7/);
  }
  assert.equal((await call(api, `${operations}/x`)).status, 400);
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a decision is given up when its caller has gone, and not before', async t => {
  const directory = cluster();
  const { promise, resolve } = Promise.withResolvers<Decision>();
  const carriedOut = Promise.withResolvers<void>();
  directory.approve = (_, decision) => {
    resolve(decision);
    return carriedOut.promise;
  };
  const api = await serve(t, directory);
  const body = JSON.stringify({ Action: 'approve' });
  const sent = request({
    ...{ host: '127.0.0.1', port: api.port, path: '/api/v1/orchestrator/nodes/node-1', method: 'PUT' },
    headers: { authorization: `Bearer ${tokens.tester}`, 'content-length': body.length },
    agent: false,
  });
  sent.on('error', () => undefined);
  sent.end(body);
  const decision = await promise;
  assert.equal(decision.isGivenUp?.(), false);
  sent.destroy();
  await eventually('it is given up', async () => decision.isGivenUp?.() === true);
  carriedOut.resolve();
});

test('the route says what became of an operation, or that it cannot be known', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const { status, json } = await call(api, `${operations}/${operation.toUpperCase()}`);
  assert.deepEqual([status, json()], [200, { Operation: directory.explained(operation) }]);
  directory.failure = new MusterError('unreachable', 'it cannot be known now');
  assert.equal((await call(api, `${operations}/${operation}`)).status, 503);
});

test('few ask at once, because each answer costs a write', async t => {
  const directory = cluster();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { explained } = directory;
  directory.explain = async asked => {
    await promise;
    return explained(asked);
  };
  const api = await serve(t, directory);
  const asking = Array.from({ length: 6 }, () => call(api, `${operations}/${operation}`));
  const statuses: number[] = [];
  for (const each of asking) void each.then(({ status }) => statuses.push(status));
  await eventually('two are refused', async () => statuses.length === 2);
  assert.deepEqual(statuses, [429, 429]);
  resolve();
  await Promise.all(asking);
  assert.deepEqual(statuses.slice(2), [200, 200, 200, 200]);
});
