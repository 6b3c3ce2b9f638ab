// Tests the routes for nodes over real HTTP: list, get, approve, reject and delete, as Bacalhau's clients use them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { withShownNames } from '../../../agent/output/member-names.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { version } from '../../../agent/system/version.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';
import { call, cluster, node, put, serve } from './api-fixture.ts';

const nodes = '/api/v1/orchestrator/nodes';

async function ids(
  api: Parameters<typeof call>[0],
  query: string,
  headers: Record<string, string> = {},
): Promise<string[]> {
  const answer = await call(api, `${nodes}?${query}`, { headers });
  assert.equal(answer.status, 200, answer.text);
  const { Nodes, NextToken } = answer.json() as {
    NextToken: string;
    Nodes: { Info: { NodeID: string } }[];
  };
  assert.equal(NextToken, '');
  return Nodes.map(({ Info }) => Info.NodeID);
}

test('the list has every node, sorted by id', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const answer = await call(api, nodes);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.deepEqual(answer.json(), JSON.parse(JSON.stringify({ NextToken: '', Nodes: directory.list() })));
  assert.equal(answer.text.trimEnd().includes('\n'), false);
});

test('a client that accepts lines gets what is to be known of the list, then a line for each node', async t => {
  const directory = cluster();
  directory.degraded = 'no echo from the broker';
  const api = await serve(t, directory);
  const headers = { Accept: 'application/x-ndjson, application/json' };
  const answer = await call(api, `${nodes}?limit=2`, { headers });
  assert.equal(answer.headers['content-type'], 'application/x-ndjson');
  assert.equal(answer.headers.vary, 'Accept');
  const [{ At, ...head }, ...lines] = answer.text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.ok(Math.abs(Date.parse(At) - Date.now()) < 3_600_000);
  assert.deepEqual(head, {
    Nodes: 2,
    Requesters: 1,
    State: 'degraded',
    Reason: 'no echo from the broker',
    Widths: { ID: 6, TYPE: 9, APPROVAL: 8, STATUS: 7, HOST: 0, NOTE: 10 },
  });
  assert.deepEqual(lines, JSON.parse(JSON.stringify(directory.list().slice(0, 2))));
});

test('when many streams of nodes wait for their readers, the next caller gets the list as one text', async t => {
  const directory = new FakeDirectory(
    requesterNode(),
    Array.from({ length: 2_000 }, (_, index) =>
      node(`node-${index}`, { labels: { text: 'x'.repeat(8_000) } }),
    ),
  );
  const api = await serve(t, directory);
  const unread: IncomingMessage[] = [];
  t.after(() => {
    for (const response of unread) response.destroy();
  });
  const open = async (): Promise<string | undefined> => {
    const options = { host: '127.0.0.1', port: api.port, path: nodes, agent: false };
    const sent = request({ ...options, headers: { Accept: 'application/x-ndjson' } }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    unread.push(response.pause());
    return response.headers['content-type'];
  };
  for (let turn = 0; turn < 16; turn++) assert.equal(await open(), 'application/x-ndjson');
  assert.equal(await open(), 'application/json');
  unread[0]?.destroy();
  await eventually('there is a place again', async () => (await open()) === 'application/x-ndjson');
});

test('?pretty indents by two', async t => {
  const api = await serve(t, cluster());
  const answer = await call(api, `${nodes}/node-1?pretty`);
  assert.ok(answer.text.startsWith('{\n  "Node": {\n    "Info": {'), answer.text);
});

test('an empty roll gives an empty list and not null', async t => {
  const api = await serve(t, new FakeDirectory(requesterNode()));
  assert.equal((await call(api, nodes)).text, '{"NextToken":"","Nodes":[]}\n');
});

test('filters', async t => {
  const since = '2026-01-01T00:00:00.000Z';
  const sick = {
    ...computeInfo('b', { zone: 'us' }),
    Conditions: ['GpuMissing', 'ClockJumped'].map(Type => ({ Type, Reason: 'x', Since: since })),
  };
  const directory = new FakeDirectory(requesterNode(), [
    { state: record('r', 'APPROVED', { Info: requesterNode('r') }), health: 'UNKNOWN' },
    node('a', { labels: { zone: 'eu', gpu: '2' } }),
    { state: record('b', 'APPROVED', { Info: sick }), health: 'UNHEALTHY', silence: 60_000 },
    node('c', { state: record('c', 'PENDING'), health: 'UNKNOWN' }),
    node('d', { state: record('d', 'REJECTED') }),
  ]);
  const api = await serve(t, directory);
  const cases: [query: string, expected: string[]][] = [
    ['filter-approval=approved', ['a', 'b', 'r']],
    ['filter-approval=PENDING', ['c']],
    ['filter-approval=Rejected', ['d']],
    ['filter-approval=nonsense', []],
    ['filter-status=healthy', ['a', 'd']],
    ['filter-status=Unhealthy', ['b']],
    ['filter-status=UNKNOWN', ['c', 'r']],
    ['filter-status=connected', ['a', 'd', 'r']],
    ['filter-status=DISCONNECTED', ['b', 'c']],
    ['filter-status=constructor', []],
    ['filter-status=healthy,UNHEALTHY', ['a', 'b', 'd']],
    ['filter-status=unhealthy&filter-status=nonsense', ['b']],
    ['filter-approval=pending,rejected', ['c', 'd']],
    ['condition=gpumissing', ['b']],
    ['condition=DiskAlmostFull,ClockJumped', ['b']],
    ['condition=constructor', []],
    ['condition=', ['a', 'b', 'c', 'd', 'r']],
    // A node that was never heard is not silent for a known time.
    ['silent-for=1m', ['b']],
    ['silent-for=60001ms', []],
    ['silent-for=1d&condition=GpuMissing', []],
    ['labels=zone%3Deu', ['a']],
    ['labels=zone+in+(eu,us)', ['a', 'b']],
    ['labels=zone&labels=gpu%3E1', ['a']],
    ['labels=', ['a', 'b', 'c', 'd', 'r']],
    ['filter-approval=approved&filter-status=healthy&labels=zone', ['a']],
    ['namespace=x&next_token=y&unknown=z', ['a', 'b', 'c', 'd', 'r']],
    ['filter-approval=&filter-status=&order_by=&limit=&reverse=', ['a', 'b', 'c', 'd', 'r']],
  ];
  for (const [query, expected] of cases) assert.deepEqual(await ids(api, query), expected, query);
});

test('order_by sorts, keeps the order of ids among equals, and comes before limit', async t => {
  const directory = new FakeDirectory(requesterNode(), [
    node('a', { cpu: 1 }),
    node('b', { cpu: 4, health: 'UNHEALTHY' }),
    node('c', { cpu: 2, state: record('c', 'PENDING') }),
    node('d', { cpu: 1 }),
    { state: record('r', 'APPROVED', { Info: requesterNode('r') }), health: 'UNKNOWN' },
  ]);
  const api = await serve(t, directory);
  const cases: [query: string, expected: string][] = [
    ['order_by=id', 'abcdr'],
    ['order_by=id&reverse=true', 'rdcba'],
    ['order_by=type', 'rabcd'],
    ['order_by=type&reverse=1', 'abcdr'],
    // A node that is not connected counts as a node without resources.
    ['order_by=available_cpu', 'cadbr'],
    ['order_by=available_cpu&reverse=T', 'bradc'],
    ['order_by=available_gpu', 'abcdr'],
    ['order_by=approval', 'abdrc'],
    ['order_by=status', 'acdbr'],
    ['limit=2', 'ab'],
    ['limit=2&order_by=available_cpu', 'ca'],
    ['limit=0', 'abcdr'],
    ['limit=4294967295', 'abcdr'],
  ];
  for (const [query, expected] of cases) {
    assert.equal((await ids(api, query)).join(''), expected, query);
  }
  // A client of Bacalhau shows the requester as CONNECTED.
  const ofBacalhau = await ids(api, 'order_by=status', { 'X-Bacalhau-Git-Version': 'v1.6.5' });
  assert.equal(ofBacalhau.join(''), 'acdrb');
});

const badQueries: [query: string, message: RegExp][] = [
  ['order_by=nonsense', /^invalid order_by; allowed: id, type, /],
  ['order_by=constructor', /^invalid order_by/],
  ['limit=-1', /^limit is not a whole number$/],
  ['limit=1e3', /^limit is not/],
  ['limit=99999999999', /^limit is not/],
  ['reverse=maybe', /^reverse is neither true nor false$/],
  ['labels=a+b', /label selector/],
  ['silent-for=', /^silent-for is not a time; allowed: like 30d, 12h, 1h30m$/],
  ['silent-for=-1d', /^silent-for is not a time/],
];
for (const [query, message] of badQueries) {
  test(`?${query} is refused`, async t => {
    const answer = await call(await serve(t, cluster()), `${nodes}?${query}`);
    const { Status, Code, Component, Message } = answer.json();
    assert.deepEqual([answer.status, Status, Code, Component], [400, 400, 'BadRequest', 'APIServer']);
    assert.match(String(Message), message);
  });
}

test('one node is found by its id or by a unique prefix', async t => {
  const directory = new FakeDirectory(requesterNode(), [node('node-1'), node('node-10'), node('other')]);
  const api = await serve(t, directory);
  const found = async (name: string) => (await call(api, `${nodes}/${name}`)).json().Node;
  const shown = (id: string) => JSON.parse(JSON.stringify(directory.get(id)));
  assert.deepEqual(await found('node-1'), shown('node-1'));
  assert.deepEqual(await found('oth'), shown('other'));
});

test('an unknown node gives 404 and an ambiguous prefix 409, with an error body', async t => {
  const api = await serve(t, cluster());
  const missing = await call(api, `${nodes}/nope`, { headers: { 'X-Request-Id': 'r-17' } });
  assert.equal(
    missing.text,
    '{"Status":404,"Message":"node not found: nope","RequestID":"r-17","Code":"NotFound","Component":"NodesManager"}\n',
  );
  const several = await call(api, `${nodes}/node-`);
  assert.equal(several.status, 409);
  assert.deepEqual(several.json(), {
    Status: 409,
    Message: 'multiple nodes found for prefix: node-, matching IDs: [node-0 node-1 node-2 node-3]',
    RequestID: '',
    Code: 'MultipleNodesFound',
    Component: 'NodesManager',
    Hint: 'Use a more specific node ID prefix',
  });
});

test('a decision takes a unique beginning of an id, as in Bacalhau, unless it asks for the whole id', async t => {
  const directory = new FakeDirectory(requesterNode(), [node('gpu-40'), node('other')]);
  const api = await serve(t, directory);
  const exact = await put(api, 'gpu-4', { Action: 'delete', Exact: true });
  assert.deepEqual([exact.status, exact.json().Code], [404, 'NotFound']);
  assert.match(String(exact.json().Hint), /^did you mean gpu-40\?/);
  assert.equal((await put(api, 'gpu-4', { Action: 'delete' })).status, 200);
  assert.deepEqual([...directory.nodes.keys()], ['other']);
});

test('a fingerprint that is none is refused, and never means that any key will do', async t => {
  const directory = new FakeDirectory(requesterNode(), [node('node-1')]);
  const api = await serve(t, directory);
  for (const Fingerprint of ['-', ' ', 'VZGX', 'AAAA-AAAA-AAAA-AAA1', 'AAAA-AAAA-AAAA-AAAA-A']) {
    const answer = await put(api, 'node-1', { Action: 'delete', Fingerprint });
    assert.deepEqual([answer.status, answer.json().Code], [400, 'BadRequest'], Fingerprint);
  }
  assert.equal(directory.nodes.size, 1);
});

test('nodes are approved, rejected and deleted, and a decision may be a conflict', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  assert.equal(
    (await put(api, 'node-1', { Action: 'approve', Actor: 'ada@desk' })).text,
    '{"Success":true}\n',
  );
  assert.equal((await put(api, 'node-3', { Action: 'reject', Message: 'malicious node?' })).status, 200);
  assert.equal((await put(api, 'node-2', { Action: 'delete' })).status, 200);
  assert.deepEqual([...directory.nodes.keys()], ['node-0', 'node-1', 'node-3']);
  assert.equal(directory.get('node-1').Membership, 'APPROVED');
  const approved = directory.get('node-1').Muster.Decision;
  assert.deepEqual([approved?.Actor, approved?.ClaimedActor], ['tester', 'ada@desk']);
  const { Reason, Actor, ClaimedActor } = directory.get('node-3').Muster.Decision ?? {};
  assert.deepEqual([Reason, Actor, ClaimedActor], ['malicious node?', 'tester', undefined]);

  const again = await put(api, 'node-3', { Action: 'reject' });
  const { Code, Message, Component } = again.json();
  assert.deepEqual(
    [again.status, Code, Message, Component],
    [409, 'ConflictNodeState', 'node node-3 already rejected', 'NodesManager'],
  );
  assert.equal((await put(api, 'node-0', { Action: 'delete' })).status, 409);
  assert.equal((await put(api, 'node-2', { Action: 'approve' })).status, 404);
});

test('a decision that rests on what was shown is refused when that is not so any more', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const found = directory.nodes.get('node-1') ?? assert.fail();
  found.silence = 60_000;
  await put(api, 'node-1', { Action: 'reject', Message: 'malicious node?' });
  const about = async (body: object) => {
    const { status, json } = await put(api, 'node-1', body);
    return status === 200 ? [status] : [status, json().Message];
  };
  assert.deepEqual(await about({ Action: 'approve', ShownMembership: 'PENDING' }), [
    409,
    'node node-1 was rejected by tester meanwhile',
  ]);
  assert.deepEqual(await about({ Action: 'delete', ShownMembership: 'REJECTED', ShownSilenceSeconds: 61 }), [
    409,
    'node node-1 was heard within the last 61 s',
  ]);
  assert.deepEqual(await about({ Action: 'delete', ShownFilter: 'filter-status=unknown' }), [
    409,
    'node node-1 does not match the selection any more',
  ]);
  const unreadable = await call(api, '/api/v1/orchestrator/nodes?labels=%21');
  assert.deepEqual(await about({ Action: 'delete', ShownFilter: 'labels=%21' }), [
    400,
    unreadable.json().Message,
  ]);
  for (const Action of ['undelete', 'rename'])
    assert.deepEqual(await about({ Action, NewID: Action === 'rename' ? 'n' : '', ShownSilenceSeconds: 1 }), [
      400,
      `what was shown is not compared by ${Action}`,
    ]);
  assert.equal((await about({ Action: 'approve', ShownMembership: 'pending' }))[0], 400);
  assert.equal(directory.get('node-1').Membership, 'REJECTED');
  assert.deepEqual(
    await about({ Action: 'delete', ShownMembership: 'REJECTED', ShownSilenceSeconds: 60 }),
    [200],
  );
});

test('what two operators decide about cordon and labels is not overwritten by the one who did not see it', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const about = async (body: object) => {
    const { status, json } = await put(api, 'node-1', body);
    return status === 200 ? [status] : [status, json().Message];
  };
  const none = { ShownCordonAt: '' };
  assert.deepEqual(await about({ Action: 'cordon', Message: 'disk swap', ...none }), [200]);
  assert.deepEqual(await about({ Action: 'drain', Message: 'kernel update', ...none }), [
    409,
    'node node-1 was cordoned by tester meanwhile',
  ]);
  const ShownCordonAt = directory.get('node-1').Muster.Cordon?.At;
  assert.deepEqual(await about({ Action: 'drain', ShownCordonAt }), [200]);
  assert.deepEqual(await about({ Action: 'uncordon', ShownCordonAt }), [
    409,
    'the cordon of node node-1 was changed by tester meanwhile',
  ]);
  assert.equal(directory.get('node-1').Muster.Cordon?.Reason, 'disk swap');

  const rack = (value: string, before: string | null) => ({
    Action: 'label',
    Labels: { rack: value },
    ShownLabels: { rack: before },
  });
  assert.deepEqual(await about(rack('b7', null)), [200]);
  assert.deepEqual(await about(rack('b8', null)), [
    409,
    'the label rack of node node-1 was set to "b7" by tester meanwhile',
  ]);
  assert.deepEqual(await about({ ...rack('b8', 'b7'), Labels: { zone: 'eu' } }), [200]);
  assert.deepEqual(await about(rack('b8', 'b7')), [200]);
  for (const broken of [{ ShownCordonAt: 'soon' }, { ShownLabels: { ' ': 'x' } }, { ShownLabels: 7 }])
    assert.equal((await about({ ...rack('b9', 'b8'), ...broken }))[0], 400, JSON.stringify(broken));
  assert.deepEqual(await about({ Action: 'undelete', ...none }), [
    400,
    'what was shown is not compared by undelete',
  ]);
});

test("the body of a Bacalhau client is read, with any upper and lower case of its members' names", async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const body =
    '{"Namespace":"","Credential":{"Scheme":"Bearer","Value":"secret","Params":null},"IdempotencyToken":"","Action":"approve","Message":"","NodeID":"node-2"}';
  assert.equal((await put(api, 'node-1', body)).status, 200);
  assert.equal((await put(api, 'node-3', { action: 'reject', message: 'no' })).status, 200);
  assert.equal(directory.get('node-1').Membership, 'APPROVED');
  assert.equal(directory.get('node-2').Membership, 'PENDING');
  assert.equal(directory.get('node-3').Muster.Decision?.Reason, 'no');
});

test('a member that nobody knows is refused by its name, and nothing is done', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const answer = await put(api, 'node-1', { Action: 'approve', Fingerprnt: 'ABCD-EFGH-IJKL-MNOP' });
  assert.deepEqual(
    [answer.status, answer.json().Message],
    [400, 'cannot read the request: the member Fingerprnt is not known here'],
  );
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('while the requester starts, every request about nodes gives 503 with the reason', async t => {
  const directory = cluster();
  directory.failure = new MusterError('unreachable', 'the requester is not ready', { hint: 'try again' });
  const api = await serve(t, directory);
  const answers = await Promise.all([
    call(api, nodes),
    call(api, `${nodes}/node-1`),
    put(api, 'node-1', { Action: 'approve' }),
    call(api, '/api/v1/orchestrator/events'),
  ]);
  for (const answer of answers) {
    const { Code, Message, Hint } = answer.json();
    assert.deepEqual(
      [answer.status, Code, Message, Hint],
      [503, 'ServiceUnavailable', 'the requester is not ready', 'try again'],
    );
  }
  assert.equal((await call(api, '/api/v1/orchestrator/status')).json().State, 'starting');
  assert.equal((await call(api, '/api/v1/agent/alive')).status, 200);
});

test('an unexpected error gives a 500 without details, which are in the log without the body', async t => {
  const directory = cluster();
  const lines: unknown[] = [];
  const keep = (fields: unknown, message: string) => lines.push({ ...(fields as object), message });
  const log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep };
  const api = await serve(t, directory, { log });
  await put(api, 'node-1', '{"Action":"approve","Credential":{"Value":"SECRET"}');
  directory.failure = new Error('the roof fell in');
  const answer = await put(api, 'node-1', { Action: 'approve', Credential: { Value: 'SECRET' } });
  const { Code, Message, Component } = answer.json();
  assert.deepEqual(
    [answer.status, Code, Message, Component],
    [500, 'InternalError', 'Internal server error', 'Unknown'],
  );
  assert.equal(lines.length, 2);
  assert.match(String((lines[1] as { err: Error }).err), /the roof fell in/);
  assert.doesNotMatch(
    JSON.stringify(lines) + lines.map(line => String((line as { err: Error }).err)),
    /SECRET/,
  );
});

test('the API shows that the requester is alive, its version, its node and its status', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const get = async (path: string) => (await call(api, path)).json();
  assert.deepEqual(await get('/api/v1/agent/alive'), { Status: 'OK' });
  assert.deepEqual(await get('/api/v1/agent/version'), {
    ...directory.self.BacalhauVersion,
    GitVersion: `muster-${version}`,
  });
  assert.deepEqual(await get('/api/v1/agent/node'), directory.self);
  assert.deepEqual(
    await get('/api/v1/orchestrator/status'),
    JSON.parse(JSON.stringify(withShownNames(directory.status()))),
  );
});
