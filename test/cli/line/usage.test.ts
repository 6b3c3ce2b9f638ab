// Tests errors and help as the program prints them: a wrong command line ends with exit code 64, and help is a result.
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { commands, groupExamples } from '../../../agent/cli/commands.ts';
import { unquoted } from '../../../agent/cli/completion/unquoted.ts';
import { globalFlags } from '../../../agent/cli/line/command.ts';
import { help } from '../../../agent/cli/line/help.ts';
import { locate } from '../../../agent/cli/line/place.ts';
import { settingFlags } from '../../../agent/cli/line/setting-flags.ts';
import { readCommandLine } from '../../../agent/cli/run.ts';
import { muster, start } from '../program.ts';

test('a typo is answered by the error, the near match and the way to the help', async t => {
  const lines = async (...args: string[]) => {
    const { code, stdout, stderr } = await muster(t, args);
    assert.deepEqual([code, stdout], [64, '']);
    return stderr;
  };
  assert.equal(
    await lines('config', 'shw'),
    'Error: unknown command: config shw\nHint:  did you mean "muster config show"?\nHelp:  muster config --help\n',
  );
  assert.equal(await lines('frobnicate'), 'Error: unknown command: frobnicate\nHelp:  muster --help\n');
  assert.equal(
    await lines('node', 'approve', 'x', '--mesage', 'y'),
    'Error: unknown flag: --mesage\nHint:  did you mean --message?\nHelp:  muster node approve --help\n',
  );
  assert.equal(
    await lines('node', 'describe'),
    'Error: node describe needs the id of a node, or a unique beginning of it\nHelp:  muster node describe --help\n',
  );
});

test('a typed control character cannot steer the terminal', async t => {
  const { code, stdout, stderr } = await muster(t, ['\u001b[2J\u202e']);
  assert.deepEqual([code, stdout], [64, '']);
  assert.equal(stderr, 'Error: unknown command: \\u001b[2J\\u202e\nHelp:  muster --help\n');
});

test('muster --help goes to standard output with exit code 0 and names every command', async t => {
  const all = await muster(t, ['--help']);
  assert.deepEqual([all.code, all.stderr], [0, '']);
  assert.equal((await muster(t, ['help'])).stdout, all.stdout);
  const shown = commands.filter(row => !row.hidden);
  for (const { path, help } of shown)
    assert.ok(all.stdout.includes(`  ${path}`) && all.stdout.includes(help), path);
});

test('muster alone shows the commands on standard error and exits with 64', async t => {
  const { stdout: help } = await muster(t, ['--help']);
  assert.deepEqual(await muster(t, []), { code: 64, stdout: '', stderr: help });
});

test('the help of every command names each of its flags once', async () => {
  for (const row of commands) {
    const place = locate([...row.path.split(' '), '--help'], commands);
    const text = await help(place, { commands, groupExamples });
    assert.ok(text.startsWith(`Usage: muster ${row.path} `), text);
    const { flags, settings } = await row.load();
    const names = Object.keys({ ...flags, ...globalFlags, ...settingFlags(settings) });
    const shown = [...text.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map(match => match[1]);
    const secret = (name: string) => ['nats-token', 'nats-password', 'join-code', 'api-token'].includes(name);
    assert.deepEqual(shown.sort(), names.filter(name => !secret(name)).sort(), row.path);
  }
});

test('the help of one command', async t => {
  const { stdout } = await muster(t, ['help', 'node', 'reject']);
  assert.equal(
    stdout,
    `Usage: muster node reject [ID...] [flags]

refuse a node; it stays on the roll

Arguments:
  ID  the whole ids of nodes, instead of a selection

Flags:
  -m, --message TEXT              the reason; at most 1024 characters
      --fingerprint F             decide only if this is the fingerprint of the
                                  node's key; for one id
      --labels SELECTOR           only nodes with these labels: "env=prod,zone
                                  in (eu,us),!spot"
      --filter-approval APPROVAL  only nodes with one of these: approved,
                                  pending, rejected
      --filter-status STATUS      only nodes with one of these: healthy,
                                  unhealthy, unknown, connected, disconnected
      --condition TYPE            only nodes with one of these conditions:
                                  GpuDriverUnresponsive, GpuMissing,
                                  HardwareMismatch, DiskAlmostFull,
                                  MemoryPressure, ClockJumped, InventoryStale
      --silent-for TIME           only nodes that were heard, but not for this
                                  long, like 30d or 12h
      --yes                       do not ask whether the selection is right;
                                  needed where there is no terminal
  -o, --output FORMAT             format of the result: text, json, yaml
                                  (default text)

Settings:
      --api-host HOST         address of the HTTP API, on which the requester
                              listens and which the commands call (default
                              127.0.0.1)
      --api-port PORT         port of the HTTP API (default 1234)
      --api-servers SERVERS   APIs that the commands try in turn; --api-host and
                              --api-port ask another one instead
      --api-token-file PATH   file that holds the operator's token; the
                              requester's own by default, none with /dev/null
      --api-tls-ca-file PATH  file with the CA that signed the certificate of
                              the API, in PEM
      --api-tls-pin PINS      pins of the CAs that signed the certificates of
                              the APIs; muster doctor on each requester shows
                              its own

For every command:
  -c, --config FILE      read the settings from this file
      --log-level LEVEL  least important level to log; debug also explains an
                         unexpected error
  -h, --help             show this help
      --version          show the version

Examples:
  # refuse a node, and tell it why
  muster node reject node-1 -m "its disk is broken"

  # take back the approval of a rack
  muster node reject --labels rack=b7
`,
  );
});

/** Returns every help text: of all commands, of each group, and of each command that is not hidden. */
async function everyHelp(): Promise<{ path: string; text: string }[]> {
  const shown = commands.filter(row => !row.hidden).map(row => row.path);
  const paths = new Set(['', ...shown, ...shown.flatMap(path => path.split(' ').slice(0, -1).join(' '))]);
  return Promise.all(
    [...paths].map(async path => {
      const place = locate([...path.split(' ').filter(Boolean), '--help'], commands);
      return { path, text: await help(place, { commands, groupExamples }) };
    }),
  );
}

test('every help fits into 80 columns', async () => {
  for (const { path, text } of await everyHelp())
    for (const line of text.split('\n')) assert.ok(line.length <= 80, `${path}: ${line}`);
});

test('every help has two examples, and the parser understands each', async () => {
  for (const { path, text } of await everyHelp()) {
    const [, examples = ''] = text.split('\nExamples:\n');
    const lines = examples.split('\n').filter(line => /^ {2}[^#]/.test(line));
    assert.equal(lines.length, 2, path);
    for (const line of lines) {
      // Take only the part of the shell line that the program gets.
      const [, typed = ''] = /\bmuster ([^|>)]*)/.exec(line) ?? [];
      const args = typed.trim().match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
      const place = locate(args, commands);
      await readCommandLine(args.map(unquoted), place);
      assert.ok(place.row?.path.startsWith(path), `${path}: ${line}`);
    }
  }
});

test('the version is shown by a command and by a flag', async t => {
  for (const args of [['version'], ['--version'], ['node', 'list', '--version']]) {
    assert.deepEqual(await muster(t, args), { code: 0, stdout: 'muster 0.1.0\n', stderr: '' });
  }
  const { version: node, platform, arch } = process;
  const { stdout } = await muster(t, ['version', '--output=json']);
  assert.deepEqual(JSON.parse(stdout), {
    Version: '0.1.0',
    Node: node,
    Platform: platform,
    Arch: arch,
  });
});

test('an unexpected error is one sentence, and shows where it came from only on request', async t => {
  const broken =
    'data:text/javascript,Object.defineProperty(process,"arch",{get(){throw new TypeError("boom\\u001b")}})';
  const nodeOptions = ['--import', broken];
  const plain = await muster(t, ['version', '-o', 'json'], { nodeOptions });
  assert.deepEqual(plain, {
    code: 1,
    stdout: '',
    stderr:
      'Error: this should not have happened: TypeError: boom\\u001b\nHint:  please report it, with what the same command prints with --log-level debug\n',
  });
  const { code, stderr } = await muster(t, ['version', '-o', 'json', '--log-level', 'debug'], {
    nodeOptions,
  });
  assert.equal(code, 1);
  assert.match(stderr, /^Error: this should not have happened: TypeError: boom\\u001b\n {4}at /);
  assert.match(stderr, /version\.ts/);
});

// Linux has a device that is always full.
if (existsSync('/dev/full')) {
  test('output that cannot be written is an error', async t => {
    const full = openSync('/dev/full', 'w');
    t.after(() => closeSync(full));
    const { outcome, ended } = await start(t, ['version'], { stdout: full });
    await ended;
    assert.match(outcome.stderr, /^Error: cannot write the output: ENOSPC: /);
    assert.equal((await ended).code, 1);
  });
}
