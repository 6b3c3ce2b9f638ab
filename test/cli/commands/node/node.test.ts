// Runs `muster node …` as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { hostname, userInfo } from 'node:os';
import { test } from 'node:test';
import { parse } from 'yaml';
import { encodePublicKey } from '../../../../agent/protocol/nkey.ts';
import { emptyComputeNodeInfo } from '../../../../agent/protocol/node-info.ts';
import { MusterError } from '../../../../agent/system/errors.ts';
import { cluster, node, serve } from '../../../requester/api/api-fixture.ts';
import { computeInfo, record, requesterNode } from '../../../requester/samples.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { configFile, muster } from '../../program.ts';

const ok = (stdout: string) => ({ code: 0, stdout, stderr: '' });
const fails = (code: number, stderr: string) => ({ code, stdout: '', stderr });

test('an operator lists, rejects, approves and deletes nodes', async t => {
  const directory = cluster();
  for (const id of ['node-1', 'node-2', 'node-3']) withKey(directory, id);
  const api = await serve(t, directory);
  const run = (...args: string[]) =>
    muster(t, ['node', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester },
    });
  assert.deepEqual(
    await run('list'),
    ok(`ID      TYPE       APPROVAL  STATUS
node-0  Requester  APPROVED  UNKNOWN
node-1  Compute    PENDING   HEALTHY
node-2  Compute    PENDING   HEALTHY
node-3  Compute    PENDING   HEALTHY
`),
  );
  assert.deepEqual(await run('reject', 'node-3', '-m', 'malicious node?'), ok('Ok\n'));
  assert.deepEqual(await run('approve', 'node-1'), ok('Ok\n'));
  assert.deepEqual(await run('delete', 'node-2'), ok('Ok\n'));
  assert.deepEqual(
    await run('list'),
    ok(`ID      TYPE       APPROVAL  STATUS
node-0  Requester  APPROVED  UNKNOWN
node-1  Compute    APPROVED  HEALTHY
node-3  Compute    REJECTED  HEALTHY
`),
  );
  // The operator is the one whose token was shown. What the command says of its user is only a claim.
  const { Reason, Actor, ClaimedActor } = directory.get('node-3').Muster.Decision ?? {};
  const claimed = `${userInfo().username}@${hostname()}`;
  assert.deepEqual([Reason, Actor, ClaimedActor], ['malicious node?', 'tester', claimed]);
});

test('a node whose key nobody checks is marked in the list, and an approval says who can be it', async t => {
  const directory = cluster();
  withKey(directory, 'node-2');
  const api = await serve(t, directory);
  const run = (...args: string[]) =>
    muster(t, ['node', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester },
    });
  assert.deepEqual(
    await run('list'),
    ok(`ID      TYPE       APPROVAL  STATUS   NOTE
node-0  Requester  APPROVED  UNKNOWN  -
node-1  Compute    PENDING   HEALTHY  unverified
node-2  Compute    PENDING   HEALTHY  -
node-3  Compute    PENDING   HEALTHY  unverified
`),
  );
  const unverified = await run('approve', 'node-1');
  assert.deepEqual([unverified.code, unverified.stdout], [0, 'Ok\n']);
  assert.equal(
    unverified.stderr,
    `Warning: no key of node-1 is checked (unverified)
  whoever has the token of the Bacalhau nodes can be this node
  on a NATS that does not ask the requester, so can whoever may speak there
`,
  );
  assert.deepEqual(await run('approve', 'node-2'), ok('Ok\n'));
  assert.deepEqual(await run('reject', 'node-3'), ok('Ok\n'));
});

/** Pins a key to a node of the directory. */
function withKey(directory: FakeDirectory, id: string): void {
  const { state } = directory.nodes.get(id) ?? assert.fail(id);
  state.Muster = { ...state.Muster, PublicKey: encodePublicKey(Buffer.alloc(32, 1)) };
}

/** Returns a directory in which every column has a value. */
function colourful(): FakeDirectory {
  const self = { ...requesterNode('node-0'), Hostname: 'head' };
  const big = computeInfo('gpu-1', { zone: 'eu', env: 'prod' });
  const info = {
    ...big,
    Hostname: 'rack-7',
    Agent: { Version: '0.1.0' },
    Conditions: [{ Type: 'GpuMissing', Reason: 'one is gone', Since: '2026-01-01T11:00:00.000Z' }],
    ComputeNodeInfo: {
      ...emptyComputeNodeInfo,
      MaxCapacity: { CPU: 3.2, Memory: 12.4e9, Disk: 77.3e9, GPU: 2 },
    },
  };
  return new FakeDirectory(self, [
    { state: record('node-0', 'APPROVED', { Info: self }) },
    {
      state: record('gpu-1', 'APPROVED', { Info: info }),
      health: 'HEALTHY',
      silence: 1500,
      resources: {
        available: { CPU: 1, Memory: 1500, Disk: 9.96e9, GPU: 1 },
        queued: {},
        protocol: 'bprotocol/v2',
        usage: { CPU: 0.5, Memory: 7e9, Disk: 1e9, Load: 1.25 },
        at: new Date('2026-01-01T12:00:00Z'),
      },
    },
    { ...node('old', { labels: {} }), health: 'UNHEALTHY', silence: 4 * 3600 * 1000 },
    { state: record('never', 'PENDING', { Info: computeInfo('never', { note: 'a\u001b[31m\u202eb' }) }) },
  ]);
}

test('-o wide adds capacity, version, hostname, last heard, conditions, labels and what nodes of Bacalhau have', async t => {
  const api = await serve(t, colourful());
  const run = (...args: string[]) => muster(t, ['node', 'list', '--api-port', String(api.port), ...args]);
  const table = `ID      TYPE       APPROVAL  STATUS     HOST    CPU        MEMORY          DISK           GPU    VERSION  LAST HEARD  FINGERPRINT  ENGINES      NOTE                       LABELS
gpu-1   Compute    APPROVED  HEALTHY    rack-7  1.0 / 3.2  1.5 kB / 12 GB  10 GB / 77 GB  1 / 2  0.1.0    1s ago      unverified   -            GpuMissing, unverified     env=prod zone=eu
never   Compute    PENDING   UNKNOWN    -       - / 4.0    - / 8.0 GB      - / 0 B        - / 0  v1.0.0   never       unverified   docker wasm  never heard, unverified    note=a\\u001b[31m\\u202eb
node-0  Requester  APPROVED  UNKNOWN    head    -          -               -              -      v1.0.0   -           -            -            -                          -
old     Compute    APPROVED  UNHEALTHY  -       - / 4.0    - / 8.0 GB      - / 0 B        - / 0  v1.0.0   4h ago      unverified   docker wasm  silent for 4h, unverified  -
`;
  assert.deepEqual(await run('-o', 'wide'), ok(table));
  const bare = await run('-o', 'wide', '--hide-header');
  assert.deepEqual([bare.stdout.split('\n').length, bare.stdout.slice(0, 5)], [5, 'gpu-1']);
});

test('-o json and yaml print everything that the API answers, and nothing that steers a terminal', async t => {
  const directory = colourful();
  const api = await serve(t, directory);
  const run = (...args: string[]) => muster(t, ['node', 'list', '--api-port', String(api.port), ...args]);
  const expected = JSON.parse(JSON.stringify(directory.list()));
  const json = await run('-o', 'json');
  assert.deepEqual(JSON.parse(json.stdout), expected);
  const yaml = await run('-o', 'yaml');
  assert.deepEqual(parse(yaml.stdout), expected);
  for (const { stdout, stderr } of [json, yaml]) {
    assert.match(stdout, /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]*\n$/);
    assert.equal(stderr, '');
  }
});

test('filters, selectors, order and limit reach the API', async t => {
  const api = await serve(t, colourful());
  const ids = async (...args: string[]) => {
    const all = ['node', 'list', '--hide-header', '--api-port', String(api.port), ...args];
    const { stdout, stderr } = await muster(t, all);
    assert.equal(stderr, '');
    return stdout.split('\n').flatMap(line => line.split(' ')[0] || []);
  };
  assert.deepEqual(await ids('--filter-approval', 'Pending'), ['never']);
  assert.deepEqual(await ids('--filter-status', 'unhealthy'), ['old']);
  assert.deepEqual(await ids('--filter-status', 'disconnected'), ['never', 'old']);
  assert.deepEqual(await ids('--labels', 'env=prod,zone in (eu,us)', '--labels', '!spot'), ['gpu-1']);
  assert.deepEqual(await ids('--order-by', 'available_cpu', '--limit', '1'), ['gpu-1']);
  assert.deepEqual(await ids('--reverse'), ['old', 'node-0', 'never', 'gpu-1']);
});

test('an empty roll is a header or an empty list', async t => {
  const api = await serve(t, new FakeDirectory(requesterNode()));
  const run = (...args: string[]) => muster(t, ['node', 'list', '--api-port', String(api.port), ...args]);
  assert.deepEqual(await run(), ok('ID  TYPE  APPROVAL  STATUS\n'));
  assert.deepEqual(await run('--hide-header'), ok(''));
  assert.deepEqual(await run('-o', 'json'), ok('[]\n'));
  assert.deepEqual(await run('-o', 'yaml'), ok('[]\n'));
});

test('-o name prints ids, and csv a line for each node', async t => {
  const api = await serve(t, colourful());
  const run = (...args: string[]) => muster(t, ['node', 'list', '--api-port', String(api.port), ...args]);
  assert.deepEqual(await run('-o', 'name', '--filter-approval', 'approved'), ok('gpu-1\nnode-0\nold\n'));
  const { stdout } = await run('-o', 'csv', '--reverse');
  const [header, old, , never] = stdout.split('\r\n');
  assert.equal(
    header,
    'id,type,approval,status,schedulable,host,address,note,last_seen,registered_at,cpu,memory_bytes,disk_bytes,gpu,version,fingerprint,conditions,labels',
  );
  assert.equal(
    old,
    'old,Compute,APPROVED,UNHEALTHY,true,,,"silent for 4h, unverified",,,4,8000000000,,,v1.0.0,,,',
  );
  assert.match(never ?? '', /,note=a\\u001b\[31m\\u202eb$/);
});

test('-o ansible prints an inventory of the compute nodes, in which nothing of a node is carried out', async t => {
  const evil = computeInfo('evil', { role: "{{ lookup('pipe', 'id') }}", 'a.b/c': '1' });
  const nodes = [
    { state: record('node-0', 'APPROVED', { Info: requesterNode() }) },
    { state: record('evil', 'APPROVED', { Info: { ...evil, Hostname: '-oProxyCommand=id' } }) },
    {
      state: record('far', 'REJECTED', {
        Info: { ...computeInfo('far'), Address: { IP: 'fd00::7', Why: '' } },
      }),
    },
    { state: record('__proto__', 'PENDING', { Info: { ...computeInfo('__proto__'), Hostname: 'rack-7' } }) },
  ];
  const api = await serve(t, new FakeDirectory(requesterNode(), nodes));
  const { stdout } = await muster(t, ['node', 'list', '-o', 'ansible', '--api-port', String(api.port)]);
  const { _meta, all, ...groups } = JSON.parse(stdout);
  assert.deepEqual(Object.keys(_meta.hostvars), ['__proto__', 'evil', 'far']);
  assert.equal(_meta.hostvars.far.ansible_host, 'fd00::7');
  assert.equal(Object.getOwnPropertyDescriptor(_meta.hostvars, '__proto__')?.value.ansible_host, 'rack-7');
  assert.deepEqual(_meta.hostvars.evil, {
    muster_id: 'evil',
    muster_approval: 'APPROVED',
    muster_status: 'UNKNOWN',
    muster_host: '-oProxyCommand=id',
    muster_conditions: [],
    muster_labels: { role: { __ansible_unsafe: "{{ lookup('pipe', 'id') }}" }, 'a.b/c': '1' },
  });
  assert.deepEqual(groups.approval_pending, { hosts: ['__proto__'] });
  assert.deepEqual(groups.status_unknown, { hosts: ['__proto__', 'evil', 'far'] });
  assert.deepEqual(groups.schedulable, { hosts: ['evil'] });
  assert.deepEqual(groups.label_a_b_c_1, { hosts: ['evil'] });
  assert.deepEqual(all.children, ['ungrouped', ...Object.keys(groups)].sort());
});

test('-o ansible leaves out what Ansible takes for its own: its names of hosts and groups, and its keys', async t => {
  const labels = { __ansible_vault: 'x', zone: 'b7' };
  const nodes = ['localhost', 'all', 'ungrouped', 'gpu-1'].map(id => ({
    state: record(id, 'APPROVED', { Info: computeInfo(id, labels) }),
  }));
  const api = await serve(t, new FakeDirectory(requesterNode(), nodes));
  const { stdout, stderr } = await muster(t, [
    'node',
    'list',
    '-o',
    'ansible',
    '--api-port',
    String(api.port),
  ]);
  const { _meta, schedulable } = JSON.parse(stdout);
  assert.deepEqual(schedulable, { hosts: ['gpu-1'] });
  assert.deepEqual(Object.keys(_meta.hostvars), ['gpu-1']);
  assert.deepEqual(_meta.hostvars['gpu-1'].muster_labels, { zone: 'b7' });
  assert.match(stderr, /^Warning: left out: node localhost, whose id means something else in Ansible$/m);
});

test('describe prints one node as text, yaml or json', async t => {
  const directory = colourful();
  const api = await serve(t, directory);
  const expected = JSON.parse(JSON.stringify(directory.get('gpu-1')));
  const text = await muster(t, ['node', 'describe', 'gpu', '--api-port', String(api.port)]);
  assert.match(text.stdout, /^gpu-1\n {2}type +Compute\n {2}approval +APPROVED\n/);
  const yaml = await muster(t, ['node', 'describe', 'gpu', '-o', 'yaml', '--api-port', String(api.port)]);
  assert.deepEqual(parse(yaml.stdout), expected);
  assert.ok(yaml.stdout.startsWith('Info:\n  NodeID: gpu-1\n  NodeType: Compute\n'), yaml.stdout);
  const json = await muster(t, ['node', 'describe', 'gpu-1', '-o', 'json', '--api-port', String(api.port)]);
  assert.deepEqual(JSON.parse(json.stdout), expected);
});

test('a refusal of the requester is shown in its own words with exit code 1', async t => {
  const api = await serve(t, cluster());
  const run = (...args: string[]) =>
    muster(t, ['node', ...args, '--api-port', String(api.port)], {
      env: { MUSTER_API_TOKEN: tokens.tester },
    });
  assert.deepEqual(
    await run('describe', 'X'),
    fails(1, 'Error: node not found: X\nHint:  the nodes that are there: muster node list\n'),
  );
  assert.deepEqual(await run('approve', '../../etc'), fails(1, 'Error: node not found: ../../etc\n'));
  for (const empty of ['', ' '])
    assert.deepEqual(
      await run('delete', empty),
      fails(
        64,
        'Error: an argument is empty\nHint:  in a script, is a variable empty that names it?\nHelp:  muster node delete --help\n',
      ),
    );
  assert.deepEqual(
    await run('reject', 'node-'),
    fails(
      1,
      'Error: node not found: node-\nHint:  did you mean node-0, node-1, node-2 or another? A decision needs the whole id of the node\n',
    ),
  );
  assert.deepEqual(
    await run('describe', 'node-'),
    fails(
      1,
      'Error: multiple nodes found for prefix: node-, matching IDs: [node-0 node-1 node-2 node-3]\nHint:  Use a more specific node ID prefix\n',
    ),
  );
  assert.deepEqual(await run('approve', 'node-0'), fails(1, 'Error: node node-0 already approved\n'));
  assert.deepEqual(
    await run('delete', 'node-0'),
    fails(1, 'Error: node node-0 is a requester: it cannot be deleted while it runs\n'),
  );
});

test('a request that the requester cannot read is wrong usage with exit code 64', async t => {
  const api = await serve(t, cluster());
  const run = (...args: string[]) =>
    muster(t, ['node', ...args, '--api-port', String(api.port)], {
      env: { MUSTER_API_TOKEN: tokens.tester },
    });
  assert.deepEqual(
    await run('list', '--labels', 'a b'),
    fails(
      64,
      'Error: cannot read the label selector "a b": found "b", expected one of = == != in notin < >\n',
    ),
  );
  assert.deepEqual(
    await run('reject', 'node-1', '-m', 'x'.repeat(1025)),
    fails(
      64,
      'Error: --message: the reason has 1025 characters; allowed: at most 1024\nHelp:  muster node reject --help\n',
    ),
  );
});

test('a degraded requester is a warning beside the list', async t => {
  const directory = cluster();
  directory.degraded = 'no echo from the broker';
  const api = await serve(t, directory);
  const { code, stdout, stderr } = await muster(t, ['node', 'list', '--api-port', String(api.port)]);
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').length, 6);
  assert.equal(stderr, 'Warning: the requester is degraded: no echo from the broker\n');
});

test('a requester that is not ready gives its reason once, with exit code 69', async t => {
  const directory = cluster();
  directory.failure = new MusterError('unreachable', 'the requester is not ready: it waits for the broker', {
    hint: 'try again in a moment; its log says more',
  });
  const api = await serve(t, directory);
  assert.deepEqual(
    await muster(t, ['node', 'list', '--api-port', String(api.port)]),
    fails(
      69,
      'Error: the requester is not ready: it waits for the broker\nHint:  try again in a moment; its log says more\n',
    ),
  );
});

test('the address comes from a flag, the environment or the configuration file', async t => {
  const api = await serve(t, new FakeDirectory(requesterNode()), { host: '127.0.0.2' });
  const config = await configFile(t, `api: { host: 127.0.0.2, port: ${api.port} }\n`);
  const list = ['node', 'list', '--hide-header'];
  const port = String(api.port);
  const env = { MUSTER_API_HOST: '127.0.0.2', MUSTER_API_PORT: port };
  assert.deepEqual(await muster(t, [...list, '--api-host', '127.0.0.2', '--api-port', port]), ok(''));
  assert.deepEqual(await muster(t, list, { env }), ok(''));
  assert.deepEqual(await muster(t, [...list, '--config', config]), ok(''));
  assert.deepEqual(
    (await muster(t, [...list, '--config', config, '--api-port', '1'])).stderr.split('\n')[0],
    'Error: no requester answers at http://127.0.0.2:1',
  );
});

test('a bad setting is refused before anything is asked, with exit code 78', async t => {
  const config = await configFile(t, 'api:\n  port: many\n  hots: x\n');
  assert.deepEqual(
    await muster(t, ['node', 'list', '--config', config]),
    fails(
      78,
      `Error: ${config}:2: api.port: "many" is not a port; allowed: 0 to 65535\nError: ${config}:3: api.hots is not a setting; did you mean api.host?\n`,
    ),
  );
});
