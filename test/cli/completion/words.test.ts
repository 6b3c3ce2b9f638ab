// Checks which words may follow on a command line: words of the table of commands, and nodes of the requester.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { commands } from '../../../agent/cli/commands.ts';
import { type Candidates, candidates, readUnfinished } from '../../../agent/cli/completion/candidates.ts';
import { unquoted } from '../../../agent/cli/completion/unquoted.ts';
import { globalFlags } from '../../../agent/cli/line/command.ts';
import { settingFlags } from '../../../agent/cli/line/setting-flags.ts';
import { settingOf } from '../../../agent/config/keys.ts';
import { cluster, node, serve } from '../../requester/api/api-fixture.ts';
import { record, requesterNode } from '../../requester/samples.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { freePort } from '../../support/listener.ts';
import { configFile, muster } from '../program.ts';

/** Returns what may follow `line`, whose last word is unfinished. */
async function after(line: string): Promise<Candidates> {
  const words = line.split(' ');
  const current = words.pop() ?? '';
  return candidates(await readUnfinished(words, commands), current, commands);
}
const words = async (line: string) => (await after(line)).words.map(({ word }) => word);

test('every command is offered word by word, and hidden commands are not', async () => {
  for (const { path, hidden } of commands) {
    const parts = path.split(' ');
    for (const [index, part] of parts.entries()) {
      const offered = await words([...parts.slice(0, index), ''].join(' '));
      assert.equal(offered.includes(part), !hidden, `${path}: ${offered}`);
    }
  }
  assert.deepEqual(await words('node'), await words(''), 'what fits is left to the shell');
  const { words: top } = await after('');
  assert.equal(
    top.find(({ word }) => word === 'node')?.help,
    'list, describe, explain, approve, reject, delete, rekey, rename, prune, undelete, cordon, drain, uncordon, label, bans, unban',
  );
  assert.equal(top.find(({ word }) => word === 'version')?.help, 'show the version');
});

test('every flag of every command is offered until it is given', async () => {
  for (const { path, load } of commands) {
    const { flags, settings } = await load();
    const table = { ...flags, ...settingFlags(settings), ...globalFlags };
    const names = Object.keys(table).filter(name => !table[name]?.refused);
    assert.deepEqual((await words(`${path} --`)).sort(), names.map(name => `--${name}`).sort(), path);
    for (const name of names) {
      const given = table[name]?.value === undefined ? `--${name}` : `--${name}=x`;
      const again = (await words(`${path} ${given} --`)).includes(`--${name}`);
      assert.equal(again, table[name]?.many === true, `${path} ${given}`);
    }
  }
  assert.ok(!(await words('config show --')).includes('--nats-token'), 'a secret is no flag');
  assert.deepEqual(await words('--'), ['--config', '--log-level', '--help', '--version']);
});

test('the values of a flag are offered for each way to write it', async () => {
  for (const { path, load } of commands) {
    const { flags, settings } = await load();
    for (const [name, flag] of Object.entries({ ...settingFlags(settings), ...globalFlags, ...flags })) {
      if (flag.value === undefined || flag.refused) continue;
      const kind = flag.kind ?? (flag.setting && settingOf(flag.setting).type);
      const expected = [...(kind?.choices ?? [])];
      const short = flag.short ? [`-${flag.short} `] : [];
      for (const way of [`--${name} `, `--${name}=`, ...short])
        assert.deepEqual(await words(`${path} ${way}`), expected, `${path} ${way}`);
    }
  }
  assert.deepEqual(await words('node list -o j'), [
    'table',
    'wide',
    'json',
    'yaml',
    'csv',
    'name',
    'ansible',
  ]);
  assert.deepEqual(await words('--log-level '), ['trace', 'debug', 'info', 'warn', 'error', 'silent']);
  assert.deepEqual(await words('agent --node-name-provider='), ['puuid', 'uuid', 'hostname', 'aws', 'gcp']);
  assert.deepEqual(await words('node list --reverse='), ['true', 'false']);
  assert.deepEqual(await words('config show --nats-token='), []);
  assert.deepEqual(await words('node list --constructor='), []);
});

test('files, folders and nodes are left to the shell and the requester', async () => {
  const also = async (line: string) => (await after(line)).also;
  assert.equal(await also('node list --config '), 'files');
  assert.equal(await also('node list -c '), 'files');
  assert.equal(await also('agent --nats-token-file='), 'files');
  assert.equal(await also('probe --record '), 'folders');
  for (const action of ['approve', 'reject', 'delete']) {
    assert.equal(await also(`node ${action} n`), 'nodes');
    assert.equal(await also(`node ${action} node-1 n`), 'nodes', 'any number is allowed');
  }
  assert.equal(await also('node describe n'), 'nodes');
  assert.equal(await also('node describe node-1 n'), undefined, 'only one is allowed');
  assert.equal(await also('node approve -m x '), 'nodes');
  assert.equal(await also('node approve -- '), 'nodes');
  assert.equal(await also('events --node '), 'nodes');
  assert.equal(await also('node list '), undefined);
});

test('flags are offered without dashes where nothing else can follow, and never after --', async () => {
  assert.ok((await words('node list ')).includes('--output'));
  assert.ok((await words('node describe node-1 ')).includes('--output'));
  assert.deepEqual(await words('node list x'), []);
  assert.deepEqual(await words('agent '), ['join', 'register', 'trust', 'reset-identity', 'rotate-key']);
  assert.ok((await words('agent register ')).includes('--data-dir'));
  assert.deepEqual(await words('node list -- '), []);
  assert.deepEqual(await words('node list -- --'), []);
  assert.ok((await words('node list -o')).includes('-o'));
});

test('nothing follows a word that is not a command', async () => {
  for (const line of ['nod ', 'nod --', 'node lst ', 'frobnicate node '])
    assert.deepEqual(await words(line), []);
});

test('completion never fails', async () => {
  const anything = fc.oneof(
    fc.constantFrom(
      'node',
      'approve',
      'events',
      '--node',
      '-o',
      '--',
      '--config',
      'help',
      '',
      '-',
      '--output=',
    ),
    fc.string({ unit: 'grapheme' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 6 }), anything, async (before, current) => {
      for (const { word } of candidates(await readUnfinished(before, commands), current, commands).words)
        assert.match(word, /^[\w-]+$/);
    }),
  );
});

test('quotes and backslashes are removed as a shell removes them', () => {
  const styles: ((text: string) => string)[] = [
    text => text.replace(/[^\w]/gu, character => (character === '\n' ? "'\n'" : `\\${character}`)),
    text => `'${text.replaceAll("'", "'\\''")}'`,
    text => `"${text.replace(/[$`"\\]/g, character => `\\${character}`)}"`,
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat(2))), parts => {
      const typed = parts.map(([text, style]) => styles[style]?.(text) ?? '').join('');
      assert.equal(unquoted(typed), parts.map(([text]) => text).join(''));
    }),
  );
  // These words are still being typed.
  for (const [typed, meant] of [
    ['"wi', 'wi'],
    ["'it", 'it'],
    ['a\\', 'a'],
    ['"a\\', 'a'],
    ['--config="my f', '--config=my f'],
    ['"a\\b\\$"', 'a\\b$'],
  ] as const)
    assert.equal(unquoted(typed), meant);
});

/** Runs the hidden command as a shell does, with enough time for a busy machine. */
const ask = (t: TestContext, ...line: string[]) =>
  muster(t, ['completion-words', '--within', '1m', '--', ...line]);

const silent = { code: 0, stdout: '', stderr: '' };

test('the nodes that fit come from the requester that the words name', async t => {
  const directory = new FakeDirectory(requesterNode('node-0'), [
    { state: record('node-0', 'APPROVED', { Info: requesterNode('node-0') }) },
    node('in', {}),
    { state: record('waits', 'PENDING'), health: 'HEALTHY' },
    { state: record('out', 'REJECTED') },
  ]);
  const { port } = await serve(t, directory);
  const flag = `--api-port=${port}`;
  assert.deepEqual(await ask(t, 'node', 'describe', flag, ''), {
    ...silent,
    stdout: `in\tCompute APPROVED HEALTHY
node-0\tRequester APPROVED UNKNOWN
out\tCompute REJECTED UNKNOWN
waits\tCompute PENDING HEALTHY
`,
  });
  const ids = async (...line: string[]) => (await ask(t, ...line)).stdout.replace(/\t.*\n/g, ' ').trim();
  assert.equal(await ids('node', 'approve', flag, ''), 'out waits');
  assert.equal(await ids('node', 'reject', '--api-port', String(port), 'w'), 'in waits');
  assert.equal(await ids('node', 'delete', flag, ''), 'in out waits');
  assert.equal(await ids('events', flag, '--node='), 'in node-0 out waits');
  const file = await configFile(t, `api: { port: ${port} }\n`);
  assert.equal(await ids('node', 'approve', '--config', file, ''), 'out waits');
  const quoted = ['--within=1m', '--quoted', '--', 'node', 'approve', `--config="${file}"`, ''];
  assert.equal(
    (await muster(t, ['completion-words', ...quoted])).stdout.replace(/\t.*\n/g, ' '),
    'out waits ',
  );
});

test('a requester that cannot be asked gives no words, and log level debug says why', async t => {
  const closed = await freePort();
  const broken = await configFile(t, 'api: { port: none }\n');
  for (const flag of [`--api-port=${closed}`, `--config=${broken}`, '--api-port=x'])
    assert.deepEqual(await ask(t, 'node', 'approve', flag, ''), silent);
  const debug = ['completion-words', '--log-level', 'debug', '--within=1m', '--'];
  const told = await muster(t, [...debug, 'node', 'approve', `--api-port=${closed}`, '']);
  assert.deepEqual([told.code, told.stdout], [0, '']);
  assert.match(
    told.stderr,
    /^Warning: no requester answers at http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED /,
  );
});

test('completion does not wait for a requester that is silent or never ends its answer', async t => {
  const mute = await answering(t, () => undefined);
  const endless = await answering(t, (_, response) => {
    response.write('{"Nodes":[');
    const drip = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(drip));
  });
  for (const port of [mute, endless]) {
    const line = ['node', 'approve', `--api-port=${port}`, ''];
    const { stdout, stderr } = await muster(t, ['completion-words', '--', ...line]);
    assert.deepEqual([stdout, stderr], ['', '']);
  }
});

test('a node whose id a shell could run is left out', async t => {
  for (const id of ['$(touch pwned)', '`id`', 'a b', 'a\tb', 'a\nb', ':files', '--fresh=$(id)', '']) {
    const port = await answering(t, (_, response) => {
      response.end(JSON.stringify({ Nodes: [record('good', 'PENDING'), record(id, 'PENDING')] }));
    });
    assert.deepEqual(await ask(t, 'node', 'approve', `--api-port=${port}`, ''), silent, id);
  }
});

async function answering(t: TestContext, handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

test('no words count as one empty word', async t => {
  assert.deepEqual(await muster(t, ['completion-words']), await ask(t, ''));
});

test('the words after help are completed as commands', async t => {
  const { stdout } = await ask(t, 'help', 'config', '');
  assert.match(stdout, /^show\tshow the settings\ncheck\tfind every fault in the settings\n/);
  const known = await serve(t, cluster());
  const none = await ask(t, 'help', 'node', 'approve', `--api-port=${known.port}`, '');
  assert.deepEqual(none, silent);
});

test('completion without a known shell names the three shells', async t => {
  const { code, stdout, stderr } = await muster(t, ['completion']);
  assert.deepEqual([code, stdout], [64, '']);
  assert.equal(
    stderr,
    'Error: muster completion needs a command\nHint:  the commands are bash, zsh, fish\nHelp:  muster completion --help\n',
  );
  const unknown = await muster(t, ['completion', 'nushell']);
  assert.match(unknown.stderr, /^Hint: {2}the commands are bash, zsh, fish$/m);
});
