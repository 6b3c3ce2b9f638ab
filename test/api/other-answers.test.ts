// Tests that whatever answers in place of a requester becomes one plain error, and never an empty roll or a stack trace.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { ApiClient } from '../../agent/api/client.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { muster } from '../cli/program.ts';

/** What the program answers to every request. */
let answer = { status: 200, type: 'application/json', body: 'null' };
const server = createServer((_, response) => {
  response.writeHead(answer.status, { 'Content-Type': answer.type, Connection: 'close' });
  response.end(answer.body);
});
let client: ApiClient;
let port = 0;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address ? address.port : 0;
  client = new ApiClient({ host: '127.0.0.1', port });
});
after(() => server.close());

async function readEvents(): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of client.events({}, { onUnreadable: () => undefined })) events.push(event);
  return events;
}

async function readList(): Promise<unknown[]> {
  const nodes: unknown[] = [];
  for await (const node of (await client.listNodes({})).nodes) nodes.push(node);
  return nodes;
}

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  nodes: () => client.nodes({}),
  list: readList,
  node: () => client.node('n-1'),
  status: () => client.status(),
  decide: () => client.decide('n-1', { Action: 'approve', Message: '', Actor: 'a' }),
  events: readEvents,
};

/** Values without any of the members that an answer of a requester has. */
const strangeValue = fc.oneof(
  fc.constantFrom(null, {}, [], '', 0, true, { Nodes: {} }, { Nodes: 'x' }, { Node: null }, { Node: [] }),
  fc.constantFrom({ state: null }, { state: '' }, { state: {} }, { Success: 'yes' }, { Success: null }),
  fc.jsonValue({ maxDepth: 4 }),
);
const body = fc.oneof(
  strangeValue.map(value => JSON.stringify(value)),
  strangeValue.map(value => JSON.stringify(value).slice(0, -1)),
  fc.string({ maxLength: 200 }),
  fc.constantFrom('<!doctype html><html>', '{"Nodes":[null]}', '{"Nodes":[{}]}', `${'['.repeat(5_000)}`),
);
const type = fc.constantFrom('application/json', 'text/html', 'application/x-ndjson', 'text/plain');

test('every method of the client says of a strange answer that it comes from no requester', async () => {
  await fc.assert(
    fc.asyncProperty(body, type, fc.constantFrom(200, 404, 500), async (text, kind, status) => {
      answer = { status, type: kind, body: text };
      for (const [name, call] of Object.entries(calls)) {
        // A stream may contain lines that are no events, because others may publish under the same subjects.
        if (name === 'events' && kind === 'application/x-ndjson' && status === 200) continue;
        const error = await call().then(
          () => assert.fail(`${name} takes ${text}`),
          caught => caught,
        );
        assert.ok(error instanceof MusterError, `${name}: ${error}`);
        assert.equal(error.code, 'unreachable', `${name}: ${error.message}`);
        assert.match(error.message, /is not a requester that this muster understands: /);
      }
    }),
    { numRuns: 60 },
  );
});

test('every command prints one sentence and no table, and exits with 69', async t => {
  const commands = [
    ['node', 'list'],
    ['node', 'list', '-o', 'json'],
    ['node', 'describe', 'n-1'],
    ['node', 'approve', 'n-1'],
    ['events'],
    ['events', '--follow'],
    ['store', 'rebuild'],
    ['store', 'rebuild', '--dry-run'],
  ];
  answer = { status: 200, type: 'application/json', body: 'null' };
  const results = await Promise.all(commands.map(args => muster(t, [...args, '--api-port', String(port)])));
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    assert.deepEqual([code, stdout], [69, ''], `muster ${commands[index]?.join(' ')}`);
    assert.match(stderr, /^Error: the program that answers at http:\S+ is not a requester that this muster /);
    assert.match(stderr, /^Error: .*\nHint: .*\n$/);
  }
});
