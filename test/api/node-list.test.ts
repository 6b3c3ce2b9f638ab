// Tests how a list of nodes is read: as it comes, from old and new requesters, and never as whole when it is not.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ApiClient } from '../../agent/api/client.ts';
import { record } from '../requester/samples.ts';
import { answering, refusal } from './answering-server.ts';

const head = (Nodes: number) =>
  `${JSON.stringify({ Nodes, Requesters: 0, At: '2026-01-01T12:00:00Z', State: 'ready', Reason: '', Widths: { ID: 3 } })}\n`;
const line = (id: string) => `${JSON.stringify(record(id, 'PENDING'))}\n`;

async function clientOf(t: TestContext, handler: RequestListener): Promise<ApiClient> {
  const { port } = await answering(t, handler);
  return new ApiClient({ host: '127.0.0.1', port });
}

/** Reads the list to its end. */
async function read(client: ApiClient): Promise<string[]> {
  const ids: string[] = [];
  for await (const { Info } of (await client.listNodes({})).nodes) ids.push(Info.NodeID);
  return ids;
}

test('a node is there before the requester has sent the next one', async t => {
  const { promise: wanted, resolve } = Promise.withResolvers<void>();
  const client = await clientOf(t, async (_, response) => {
    response.setHeader('Content-Type', 'application/x-ndjson');
    response.write(head(2) + line('n-1'));
    await wanted;
    response.end(line('n-2'));
  });
  const { head: read, nodes } = await client.listNodes({});
  assert.deepEqual([read?.Nodes, read?.State, read?.Widths], [2, 'ready', { ID: 3 }]);
  const ids: string[] = [];
  for await (const { Info } of nodes) {
    ids.push(Info.NodeID);
    resolve();
  }
  assert.deepEqual(ids, ['n-1', 'n-2']);
});

test('an earlier requester and an orchestrator of Bacalhau send the list as one text', async t => {
  const Nodes = [record('n-1', 'PENDING'), record('n-2', 'APPROVED')];
  const client = await clientOf(t, (request, response) => {
    assert.match(request.headers.accept ?? '', /application\/json/);
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ NextToken: '', Nodes }));
  });
  const { head: none, nodes } = await client.listNodes({});
  assert.equal(none, undefined);
  const ids: string[] = [];
  for await (const { Info } of nodes) ids.push(Info.NodeID);
  assert.deepEqual(ids, ['n-1', 'n-2']);
});

test('a list that ends too early, or has a node too many, is an error', async t => {
  for (const text of [head(2) + line('n-1'), head(1) + line('n-1') + line('n-2'), '']) {
    const client = await clientOf(t, (_, response) => {
      response.setHeader('Content-Type', 'application/x-ndjson').end(text);
    });
    assert.equal((await refusal(read(client))).code, 'unreachable', text);
  }
  const cutOff = await clientOf(t, (_, response) => {
    response.setHeader('Content-Type', 'application/x-ndjson');
    response.write(head(2) + line('n-1'), () => response.destroy());
  });
  assert.match((await refusal(read(cutOff))).message, /the connection to .* was lost/);
});
