// Reads command lines, refuses wrong ones, and proposes what was probably meant.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commands } from '../../../agent/cli/commands.ts';
import { locate } from '../../../agent/cli/line/place.ts';
import { readCommandLine } from '../../../agent/cli/run.ts';
import { MusterError } from '../../../agent/system/errors.ts';

const read = async (...args: string[]) => (await readCommandLine(args, locate(args, commands))).argv;

const wrong: [args: string[], expected: string][] = [
  [[], 'Error: muster needs a command\n'],
  [
    ['node'],
    'Error: muster node needs a command\nHint:  the commands are list, describe, explain, approve, reject, delete, rekey, rename, prune, undelete, cordon, drain, uncordon, label, bans, unban\n',
  ],
  [['nod', 'list'], 'Error: unknown command: nod\nHint:  did you mean "muster node"?\n'],
  [['node', 'lsit'], 'Error: unknown command: node lsit\nHint:  did you mean "muster node list"?\n'],
  [['aprove', 'node-1'], 'Error: unknown command: aprove\nHint:  did you mean "muster node approve"?\n'],
  [['node-list'], 'Error: unknown command: node-list\nHint:  did you mean "muster node list"?\n'],
  [
    ['node', 'rm'],
    'Error: unknown command: node rm\nHint:  the commands are list, describe, explain, approve, reject, delete, rekey, rename, prune, undelete, cordon, drain, uncordon, label, bans, unban\n',
  ],
  [
    ['node', 'show'],
    'Error: unknown command: node show\nHint:  the commands are list, describe, explain, approve, reject, delete, rekey, rename, prune, undelete, cordon, drain, uncordon, label, bans, unban\n',
  ],
  [
    ['config', 'set'],
    'Error: unknown command: config set\nHint:  the commands are show, check, sample, schema, migrate\n',
  ],
  [['vers'], 'Error: unknown command: vers\nHint:  did you mean "muster version"?\n'],
  [['serv'], 'Error: unknown command: serv\nHint:  did you mean "muster service"?\n'],
  [['approve', 'node-1'], 'Error: unknown command: approve\nHint:  did you mean "muster node approve"?\n'],
  [['frobnicate'], 'Error: unknown command: frobnicate\n'],
  [['frobnicate', '--help'], 'Error: unknown command: frobnicate\n'],
  [
    ['--api-host', 'x', 'node', 'list'],
    'Error: unknown command: x\nHint:  the flags of a command follow the command\n',
  ],
  [['constructor'], 'Error: unknown command: constructor\n'],
  [['--hlep'], 'Error: unknown flag: --hlep\nHint:  did you mean --help?\n'],
  [['-x'], 'Error: unknown flag: -x\n'],
  [['node', '--verison'], 'Error: unknown flag: --verison\nHint:  did you mean --version?\n'],
  [['--confg', 'x', 'status'], 'Error: unknown flag: --confg\nHint:  did you mean --config?\n'],
  [['--log-levle=debug', 'status'], 'Error: unknown flag: --log-levle\nHint:  did you mean --log-level?\n'],
  [['-c'], 'Error: muster needs a command\n'],
  [
    ['node', 'list', '--fliter-approval', 'x'],
    'Error: unknown flag: --fliter-approval\nHint:  did you mean --filter-approval?\n',
  ],
  [['node', 'list', '--frobnicate'], 'Error: unknown flag: --frobnicate\n'],
  [['node', 'list', '--constructor'], 'Error: unknown flag: --constructor\n'],
  [['node', 'list', '--__proto__=x'], 'Error: unknown flag: --__proto__\n'],
  [['node', 'list', '-x'], 'Error: unknown flag: -x\n'],
  [['node', 'list', '--nats-token', 'x'], 'Error: unknown flag: --nats-token\n'],
  [
    ['config', 'show', '--nats-token=x'],
    'Error: unknown flag: --nats-token\nHint:  every user can read a command line; put it in MUSTER_NATS_TOKEN, or in the file that --nats-token-file names\n',
  ],
  [
    ['agent', 'regster'],
    'Error: unexpected argument: regster\nHint:  did you mean "muster agent register"?\n',
  ],
  [['node', 'prune', ''], 'Error: unexpected argument: an empty text\n'],
  [['node', 'list', 'extra'], 'Error: unexpected argument: extra\n'],
  [['node', 'describe', 'a', 'b'], 'Error: unexpected argument: b\n'],
  [['node', 'describe'], 'Error: node describe needs the id of a node, or a unique beginning of it\n'],
  [['node', 'rekey'], 'Error: node rekey needs the whole id of a node\n'],
  [
    ['node', 'list', '-o', 'xml'],
    'Error: --output: "xml" is not one of the choices; allowed: table, wide, json, yaml, csv, name, ansible\n',
  ],
  [['node', 'list', '--output'], 'Error: --output needs a value: --output FORMAT\n'],
  [
    ['node', 'list', '-o', '--reverse'],
    'Error: -o needs a value, but a flag follows it: --reverse\nHint:  write a value that starts with - as --output=--reverse\n',
  ],
  [
    ['node', 'list', '--filter-approval', 'yes'],
    'Error: --filter-approval: "yes" is not one of the choices; allowed: approved, pending, rejected\n',
  ],
  [
    ['node', 'list', '--filter-status', 'up'],
    'Error: --filter-status: "up" is not one of the choices; allowed: healthy, unhealthy, unknown, connected, disconnected\n',
  ],
  [
    ['node', 'reject', '--filter-status', 'healthy,up'],
    'Error: --filter-status: "up" is not one of the choices; allowed: healthy, unhealthy, unknown, connected, disconnected\n',
  ],
  [
    ['node', 'reject', '--filter-approval='],
    'Error: --filter-approval: "" names nothing; allowed: approved, pending, rejected\n',
  ],
  [
    ['node', 'delete', '--silent-for', '0s'],
    'Error: --silent-for: "0s" is not a time from 1s on; allowed: like 30d, 12h, 1h30m\n',
  ],
  [
    ['node', 'list', '--order-by', 'name'],
    'Error: --order-by: "name" is not one of the choices; allowed: id, type, available_cpu, available_memory, available_disk, available_gpu, approval, status\n',
  ],
  [
    ['node', 'list', '--filter-status', 'helthy'],
    'Error: --filter-status: "helthy" is not one of the choices; allowed: healthy, unhealthy, unknown, connected, disconnected\nHint:  did you mean healthy?\n',
  ],
  [
    ['node', 'delete', '--filter-approval', 'rejected,Pendign'],
    'Error: --filter-approval: "Pendign" is not one of the choices; allowed: approved, pending, rejected\nHint:  did you mean pending?\n',
  ],
  [
    ['node', 'list', '-o', 'jsno'],
    'Error: --output: "jsno" is not one of the choices; allowed: table, wide, json, yaml, csv, name, ansible\nHint:  did you mean json?\n',
  ],
  [
    ['node', 'list', '--limit', '-1'],
    'Error: --limit: "-1" is not a whole number; allowed: 0 to 4294967295\n',
  ],
  [
    ['node', 'list', '--limit=1.5'],
    'Error: --limit: "1.5" is not a whole number; allowed: 0 to 4294967295\n',
  ],
  [['node', 'list', '--reverse=yes'], 'Error: --reverse: "yes" is neither true nor false\n'],
  [
    ['node', 'list', '--reverse', 'false'],
    'Error: unexpected argument: false\nHint:  a switch is turned off with --switch=false\n',
  ],
  [
    ['events', '--since', 'yesterday'],
    'Error: --since: "yesterday" is not a time; allowed: how long ago, like 30m, 1h30m; or 2026-01-31T12:00:00Z, 2026-01-31\n',
  ],
  [
    ['events', '--since', '-1h'],
    'Error: --since: "-1h" is not a time; allowed: how long ago, like 30m, 1h30m; or 2026-01-31T12:00:00Z, 2026-01-31\n',
  ],
  [
    ['events', '--since', '2026-13-01'],
    'Error: --since: "2026-13-01" is not a time; allowed: how long ago, like 30m, 1h30m; or 2026-01-31T12:00:00Z, 2026-01-31\n',
  ],
  [
    ['events', '--node', 'a.b'],
    'Error: --node: "a.b" is not a node id; allowed: 1 to 128 letters, digits, - and _\n',
  ],
  [['version', '-o', 'yaml'], 'Error: --output: "yaml" is not one of the choices; allowed: text, json\n'],
];
for (const [args, expected] of wrong) {
  test(`muster ${JSON.stringify(args).slice(1, -1)}`, async () => {
    const error = await refusal(args);
    const hint = error.hint ? `Hint:  ${error.hint}\n` : '';
    assert.equal(`Error: ${error.message}\n${hint}`, expected);
  });
}

test('a negative number is the value of a flag and does not ask for help', () => {
  assert.equal(locate(['events', '--since', '-1h'], commands).asksFor, undefined);
  assert.equal(locate(['events', '-fh'], commands).asksFor, 'help');
});

async function refusal(args: readonly string[]): Promise<MusterError> {
  try {
    await read(...args);
  } catch (error) {
    assert.ok(error instanceof MusterError, String(error));
    assert.deepEqual([error.code, error.exitCode], ['usage', 64]);
    return error;
  }
  throw new Error('not refused');
}

const noFilter = {
  labels: [],
  'filter-approval': [],
  'filter-status': [],
  condition: [],
  'silent-for': undefined,
};

test('flags are read in any order and form, and the last of a name counts', async () => {
  const flags = async (...args: string[]) => (await read('node', 'list', ...args)).flags;
  const none = {
    output: 'table',
    ...noFilter,
    'order-by': undefined,
    reverse: false,
    limit: undefined,
    watch: false,
    deleted: false,
    'hide-header': false,
  };
  assert.deepEqual(await flags(), none);
  for (const form of [
    ['-o', 'json'],
    ['-ojson'],
    ['--output', 'JSON'],
    ['--output=json'],
    ['-o', 'yaml', '-ojson'],
  ]) {
    assert.deepEqual(await flags(...form), { ...none, output: 'json' });
  }
  assert.deepEqual(
    await flags('--reverse', '--limit=3', '--hide-header=true', '--order-by', 'Available_CPU'),
    {
      ...none,
      reverse: true,
      limit: 3,
      'hide-header': true,
      'order-by': 'available_cpu',
    },
  );
  assert.deepEqual(await flags('--reverse', '--reverse=false'), none);
  assert.deepEqual(await flags('--labels', 'a=b', '--labels=!c'), { ...none, labels: ['a=b', '!c'] });
});

test('flags may stand before, between and after operands, and nothing after -- is a flag', async () => {
  const rejecting = { ...noFilter, yes: false, output: 'text', fingerprint: undefined };
  for (const args of [
    ['-m', 'why', 'n-1'],
    ['n-1', '-m', 'why'],
    ['n-1', '--message=why'],
    ['-mwhy', '--', 'n-1'],
  ]) {
    const { flags, rest } = await read('node', 'reject', ...args);
    assert.deepEqual([flags, rest], [{ ...rejecting, message: 'why' }, ['n-1']]);
  }
  assert.deepEqual((await read('node', 'describe', '--', '-x')).operands, { id: '-x' });
  assert.deepEqual((await read('node', 'reject', 'n', '--message=--force')).flags, {
    ...rejecting,
    message: '--force',
  });
  assert.deepEqual((await read('node', 'reject', 'n', '-m', '')).flags, { ...rejecting, message: '' });
});

test('a list of words may be one value or several, in upper and lower case', async () => {
  const { flags } = await read(
    ...['node', 'approve', '--filter-status', 'HEALTHY,Unknown', '--filter-status=connected'],
    ...['--condition', 'gpumissing', '--silent-for', '30d', 'n-1', 'n-2'],
  );
  assert.deepEqual(flags, {
    ...noFilter,
    'filter-status': [['healthy', 'unknown'], ['connected']],
    condition: [['GpuMissing']],
    'silent-for': 30 * 24 * 3_600_000,
    yes: false,
    output: 'text',
    message: undefined,
    fingerprint: undefined,
  });
  const { given, rest } = await read('node', 'approve', 'n-1', 'n-2', '-mx', '--api-port', '1');
  assert.deepEqual(
    [[...given], rest],
    [
      [
        ['message', ['x']],
        ['api-port', ['1']],
      ],
      ['n-1', 'n-2'],
    ],
  );
});

test('flags that give settings are passed on unread', async () => {
  const { settings, config } = await read(
    ...['-c', 'a.yaml', 'config', 'show', '--log-level', 'debug', '--api-port=1', '--api-port', '2'],
    ...['--requester-manual-approval=false', '--compute-rejoin-after-delete'],
    ...['--node-labels', 'a=b', '--node-labels', 'c=d', '--nats-servers=x,y'],
  );
  assert.equal(config, 'a.yaml');
  assert.deepEqual(settings, {
    'log.level': 'debug',
    'api.port': '2',
    'requester.manualApproval': 'false',
    'compute.rejoinAfterDelete': 'true',
    'node.labels': ['a=b', 'c=d'],
    'nats.servers': ['x,y'],
  });
});

test('every command line is either read or refused as wrong usage', async () => {
  const word = fc.oneof(
    fc.constantFrom(...commands.flatMap(row => row.path.split(' '))),
    fc.constantFrom(
      '-o',
      '--output',
      'json',
      '--labels',
      '--limit',
      '3',
      '--',
      '-',
      '--follow',
      '-m',
      '-c',
      '--help',
    ),
    fc.constantFrom('--__proto__', '--constructor=1', '-ojson', '--no-reverse', '--=', '-=', '--output='),
    fc.string({ maxLength: 12 }),
    fc.string({ maxLength: 12 }).map(text => `--${text}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 8 }), async args => {
      try {
        const { flags, operands } = await read(...args);
        assert.equal(typeof flags, typeof operands);
      } catch (error) {
        assert.ok(error instanceof MusterError, String((error as Error).stack));
        assert.equal(error.code, 'usage');
      }
    }),
    { numRuns: 500 },
  );
});
