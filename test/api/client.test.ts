// Calls a requester that is not there, is slow, or is another program: each failure is a sentence, with exit code 69.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ApiClient } from '../../agent/api/client.ts';
import type { ApiServerOptions } from '../../agent/api/one-server.ts';
import { muster } from '../cli/program.ts';
import { freePort, listen } from '../support/listener.ts';
import { answering, refusal } from './answering-server.ts';

const startOrName =
  'start one with "muster requester" or "muster dev", or say where it runs: --api-host and --api-port, MUSTER_API_HOST and MUSTER_API_PORT, or api.host and api.port in the configuration file';

/** Returns a client of a server that answers by `handler` until the test ends. */
async function clientOf(t: TestContext, handler: RequestListener, options: Partial<ApiServerOptions> = {}) {
  const { port } = await answering(t, handler);
  return new ApiClient({ host: '127.0.0.1', port, ...options });
}

/** The headers of a stream of events. */
const events = { 'Content-Type': 'application/x-ndjson' };

/** Returns a handler that gives every request this answer. */
const fixed =
  (status: number, body: string, type = 'application/json'): RequestListener =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': type });
    response.end(body);
  };

test('when nothing answers, the error names the address and says how to name another', async t => {
  const port = await freePort();
  const { code, stdout, stderr } = await muster(t, ['node', 'list', '--api-port', String(port)]);
  assert.deepEqual([code, stdout], [69, '']);
  assert.equal(stderr, `Error: no requester answers at http://127.0.0.1:${port}\nHint:  ${startOrName}\n`);
  for (const args of [
    ['approve', 'n'],
    ['describe', 'n'],
  ]) {
    assert.equal((await muster(t, ['node', ...args, '--api-port', String(port)])).code, 69);
  }
  assert.equal((await muster(t, ['events', '--api-port', String(port)])).code, 69);
});

test('ports that browsers refuse can be used', async () => {
  // 10080 stands in the list of bad ports of the Fetch standard.
  const error = await refusal(new ApiClient({ host: '127.0.0.1', port: 10080 }).status());
  assert.equal(error.message, 'no requester answers at http://127.0.0.1:10080');
});

test('an unknown host is named', async () => {
  const error = await refusal(new ApiClient({ host: 'nowhere.invalid', port: 1 }).status());
  assert.equal(error.code, 'unreachable');
  assert.match(error.message, /^no requester answers at http:\/\/nowhere\.invalid:1: /);
});

test('an IPv6 address is written in brackets', async () => {
  assert.equal(new ApiClient({ host: '::1', port: 1 }).url, 'http://[::1]:1');
});

test('when nothing answers, the hint contains the doubts about the address', async () => {
  const port = await freePort();
  const client = new ApiClient({
    host: '127.0.0.1',
    port,
    doubts: ['/etc/muster/config.yaml: cannot be read'],
  });
  assert.equal(
    (await refusal(client.status())).hint,
    `/etc/muster/config.yaml: cannot be read; ${startOrName}`,
  );
});

test('no answer within the deadline is an error', async t => {
  const client = await clientOf(t, () => undefined, { deadlineMs: 50 });
  for (const answer of [
    client.status(),
    client.nodes({}),
    collect(client, {}),
    collect(client, { follow: 'true' }),
  ]) {
    const error = await refusal(answer);
    assert.deepEqual(
      [error.code, error.message],
      ['unreachable', `the requester at ${client.url} did not answer within 50ms`],
    );
    assert.match(error.hint ?? '', /^it hangs, .*muster status says more$/);
  }
});

test('an answer that stalls half-way is an error', async t => {
  const begin: RequestListener = (_, response) => response.writeHead(200, events).write('{"Nodes":[');
  const client = await clientOf(t, begin, { deadlineMs: 50 });
  assert.match((await refusal(client.nodes({}))).message, /did not answer within 50ms$/);
  assert.match((await refusal(collect(client, {}))).message, /did not answer within 50ms$/);
});

test('a program that does not speak HTTP is not a requester', async t => {
  const other = await listen(socket => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
  t.after(() => other.close());
  const error = await refusal(new ApiClient({ host: '127.0.0.1', port: other.port }).status());
  assert.match(
    error.message,
    /^the program that answers at http:\/\/127\.0\.0\.1:\d+ is not a requester that this muster understands: /,
  );
  assert.equal(error.hint, startOrName);
});

test('a program that closes the connection is an error', async t => {
  const other = await listen(socket => socket.on('data', () => socket.destroy()));
  t.after(() => other.close());
  const error = await refusal(new ApiClient({ host: '127.0.0.1', port: other.port }).status());
  assert.match(error.message, /^the connection to http:\/\/127\.0\.0\.1:\d+ was lost$/);
  assert.match(error.hint ?? '', /it speaks TLS: give its address with --api-host/);
});

const otherPrograms: [what: string, handler: RequestListener][] = [
  ['a web page', fixed(200, '<html>', 'text/html')],
  ['a web page not found', fixed(404, '<html>', 'text/html')],
  ['a redirection', (_, response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()],
  ['other JSON', fixed(200, '{"Nodes":{"a":1}}')],
  ['null', fixed(200, 'null')],
  ['an empty object', fixed(200, '{}')],
  ['half of an answer', fixed(200, '{"Nodes":[')],
  ['a list', fixed(200, '[]')],
  ['nodes without a name', fixed(200, '{"Nodes":[{"Info":{}}]}')],
  ['nodes named to steer a terminal', fixed(200, '{"Nodes":[{"Info":{"NodeID":"\\u001b[2J"}}]}')],
  [
    'nodes with an unknown health',
    fixed(200, '{"Nodes":[{"Info":{"NodeID":"a"},"Muster":{"Health":"WELL"}}]}'),
  ],
  ['an error without a message', fixed(500, '{"error":"x"}')],
  ['nothing', fixed(204, '')],
];
for (const [what, handler] of otherPrograms) {
  test(`a program that answers with ${what} is not a requester`, async t => {
    const client = await clientOf(t, handler);
    const error = await refusal(client.nodes({}));
    assert.equal(error.code, 'unreachable');
    assert.match(
      error.message,
      /^the program that answers at http:\/\/127\.0\.0\.1:\d+ is not a requester that this muster understands: /,
    );
    assert.doesNotMatch(error.message, /\u001b/);
  });
}

test('the text of a refusal is not changed, and the code of the refusal decides the error code', async t => {
  const cases: [status: number, code: string, expected: string][] = [
    [404, 'NotFound', 'not_found'],
    [409, 'MultipleNodesFound', 'ambiguous'],
    [409, 'ConflictNodeState', 'conflict'],
    [503, 'ServiceUnavailable', 'unreachable'],
    [400, 'BadRequest', 'usage'],
    [401, 'InternalError', 'not_allowed'],
    [403, 'Forbidden', 'not_allowed'],
    [500, 'InternalError', 'failed'],
    [409, 'constructor', 'failed'],
  ];
  for (const [status, Code, expected] of cases) {
    const body = { Status: status, Message: 'no, thank you', Code, Component: 'x', Hint: 'ask nicely' };
    const client = await clientOf(t, fixed(status, JSON.stringify(body)));
    const error = await refusal(client.decide('n', { Action: 'approve', Message: '', Actor: 'a' }));
    assert.deepEqual([error.code, error.message, error.hint], [expected, 'no, thank you', 'ask nicely']);
  }
});

test('the nodes of a Bacalhau orchestrator are read, and its older form of a refusal is an error', async t => {
  const bacalhau = await clientOf(t, (request, response) => {
    const node = {
      Info: {
        NodeID: 'n-1',
        NodeType: 'Compute',
        Labels: { a: 'b' },
        ComputeNodeInfo: null,
        BacalhauVersion: {},
        New: 1,
      },
      Membership: 'APPROVED',
      Connection: 'CONNECTED',
      ConnectionState: { Status: 'CONNECTED', LastHeartbeat: '2026-01-01T00:00:00.123456789Z' },
    };
    if (request.method === 'PUT') response.end('{"Success":false,"Error":"node already approved"}');
    else if (request.url?.endsWith('/nodes')) response.end(JSON.stringify({ NextToken: '', Nodes: [node] }));
    else response.end(JSON.stringify({ Node: node }));
  });
  const [node] = await bacalhau.nodes({});
  assert.deepEqual([node?.Info.NodeID, node?.Connection, node?.Muster], ['n-1', 'CONNECTED', undefined]);
  const error = await refusal(bacalhau.decide('n-1', { Action: 'approve', Message: '', Actor: 'a' }));
  assert.deepEqual([error.code, error.message], ['failed', 'node already approved']);
});

test('a decision by the beginning of an id is not sent to a Bacalhau orchestrator, which would take it', async t => {
  const methods: (string | undefined)[] = [];
  const info = { NodeID: 'gpu-40', NodeType: 'Compute', ComputeNodeInfo: null, BacalhauVersion: {} };
  const bacalhau = await clientOf(t, (request, response) => {
    methods.push(request.method);
    response.end(JSON.stringify({ Node: { Info: info, Membership: 'APPROVED', Connection: 'CONNECTED' } }));
  });
  const error = await refusal(bacalhau.decide('gpu-4', { Action: 'delete', Message: '', Actor: 'a' }));
  assert.deepEqual([error.code, error.message], ['not_found', 'node not found: gpu-4']);
  assert.equal(error.hint, 'did you mean gpu-40? A decision needs the whole id of the node');
  assert.deepEqual(methods, ['GET']);
});

test('a decision whose answer is lost may stand, and the error says how to find out', async t => {
  const decision = { Action: 'approve', Message: '', Actor: 'a' } as const;
  const unread = '{"Message":"the record cannot be read","Code":"InternalError"}';
  const begin = (onPut: RequestListener): RequestListener => {
    const onGet = fixed(500, unread);
    return (request, response) => (request.method === 'PUT' ? onPut : onGet)(request, response);
  };
  const slow = await clientOf(
    t,
    begin(() => undefined),
    { deadlineMs: 2_000 },
  );
  const cut = await clientOf(
    t,
    begin(request => request.socket.destroy()),
  );
  for (const [client, text] of [
    [slow, `the requester at ${slow.url} did not answer within 2s`],
    [cut, `the connection to ${cut.url} was lost`],
  ] as const) {
    const error = await refusal(client.decide('n-1', decision));
    const [, operation] = /\(operation ([0-9a-f-]{36})\)$/.exec(error.message) ?? [];
    assert.deepEqual(
      [error.code, error.message, error.hint],
      [
        'unreachable',
        `${text}; the decision about node n-1 may stand or not (operation ${operation})`,
        `find out with: muster explain ${operation}`,
      ],
    );
  }
  const unban = await refusal(cut.bans.lift('BDWE-AMSB-5ZAN-P4NC', 'a'));
  assert.deepEqual(
    [unban.message, unban.hint].map(text => text?.replace(/[0-9a-f-]{36}/, 'ID')),
    [
      `the connection to ${cut.url} was lost; the unban of key BDWE-AMSB-5ZAN-P4NC may stand or not (operation ID)`,
      'find out with: muster explain ID',
    ],
  );
});

test('an endless answer is cut off', async t => {
  const block = Buffer.alloc(1024 * 1024, 'x');
  const endless: RequestListener = (_, response) => {
    response.writeHead(200, events);
    const more = () => {
      while (!response.destroyed && response.write(block));
    };
    response.on('drain', more);
    more();
  };
  const client = await clientOf(t, endless);
  assert.match(
    (await refusal(client.nodes({}))).message,
    /is not a requester that this muster understands: an answer of more than 268435456 bytes$/,
  );
  assert.match(
    (await refusal(collect(client, {}))).message,
    /is not a requester that this muster understands: a line of more than 131072 characters$/,
  );
});

async function collect(client: ApiClient, query: Record<string, string>): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of client.events(query, { onUnreadable: () => undefined })) events.push(event);
  return events;
}
