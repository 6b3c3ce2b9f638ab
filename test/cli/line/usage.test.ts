// Usage and help as the program prints them: what is wrong goes to standard error with exit 64, help to standard output.
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { commands } from '../../../agent/cli/commands.ts';
import { globalFlags } from '../../../agent/cli/line/command.ts';
import { help } from '../../../agent/cli/line/help.ts';
import { locate } from '../../../agent/cli/line/place.ts';
import { settingFlags } from '../../../agent/cli/line/setting-flags.ts';
import { muster, start } from '../program.ts';

test('usage shows the commands where one is missing, and the way to the flags where one is wrong', async t => {
  const missing = await muster(t, ['config', 'shw']);
  assert.match(
    missing.stderr,
    /^Usage: muster config COMMAND \[flags\]\n\nCommands:\n {2}config show +show the settings\n/,
  );
  const wrongFlag = await muster(t, ['node', 'approve', 'x', '--y']);
  assert.equal(
    wrongFlag.stderr,
    'Usage: muster node approve ID [flags]\n       muster node approve --help lists the flags\n\nError: unknown flag: --y\n',
  );
});

test('what was typed cannot steer the terminal', async t => {
  const { code, stdout, stderr } = await muster(t, ['\u001b[2J\u202e']);
  assert.deepEqual([code, stdout], [64, '']);
  assert.ok(stderr.endsWith('\n\nError: unknown command: \\u001b[2J\\u202e\n'), stderr);
});

test('--help of everything is on standard output, exit 0, and names every command and flag', async t => {
  const all = await muster(t, ['--help']);
  assert.deepEqual([all.code, all.stderr], [0, '']);
  assert.equal((await muster(t, ['help'])).stdout, all.stdout);
  const shown = commands.filter(row => !row.hidden);
  for (const { path, help } of shown)
    assert.ok(all.stdout.includes(`  ${path}`) && all.stdout.includes(help), path);
});

test('help of every command names its flags, once each', async () => {
  for (const row of commands) {
    const text = await help(locate([...row.path.split(' '), '--help']));
    assert.ok(text.startsWith(`Usage: muster ${row.path} `), text);
    const { flags, settings } = await row.load();
    const names = Object.keys({ ...flags, ...globalFlags, ...settingFlags(settings) });
    const shown = [...text.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map(match => match[1]);
    const secret = (name: string) => name === 'nats-token' || name === 'nats-password';
    assert.deepEqual(shown.sort(), names.filter(name => !secret(name)).sort(), row.path);
  }
});

test('help of one command', async t => {
  const { stdout } = await muster(t, ['help', 'node', 'reject']);
  assert.equal(
    stdout,
    `Usage: muster node reject ID [flags]

refuse a node; it stays on the roll

Arguments:
  ID  the id of a node, or enough of its beginning

Flags:
  -m, --message TEXT  why, for those who look later; at most 1024 characters

Settings:
      --api-host HOST  address of the HTTP API: where the requester listens, and the commands call
                       (default 127.0.0.1)
      --api-port PORT  port of the HTTP API (default 1234)

For every command:
  -c, --config FILE      read the settings from this file
      --log-level LEVEL  least important lines to log; debug also explains an unexpected error
  -h, --help             show this help
      --version          show the version
`,
  );
});

test('the version', async t => {
  for (const args of [['version'], ['--version'], ['node', 'list', '--version']]) {
    assert.deepEqual(await muster(t, args), { code: 0, stdout: 'muster 0.1.0\n', stderr: '' });
  }
  const { version: node, platform, arch } = process;
  const { stdout } = await muster(t, ['version', '--output=json']);
  assert.deepEqual(JSON.parse(stdout), { version: '0.1.0', node, platform, arch });
});

test('an error that nobody foresaw: one sentence, and where it came from only when asked', async t => {
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

// Where the system has a device that is always full.
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
