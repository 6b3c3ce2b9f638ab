// Errors that end a command look right for people, a service manager and the journal. So do crashes, which nothing caught.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configFile, muster, temporaryFolder } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

interface Written {
  code: number | null;
  lines: string[];
}

/** Starts `muster ARGS` with a file as its standard error. JOURNAL_STREAM names that file, as it names the journal. */
async function start(
  t: TestContext,
  args: readonly string[],
  options: { journal?: boolean; hook?: string } = {},
) {
  const { journal = true, hook = '' } = options;
  const path = join(await temporaryFolder(t), 'journal');
  const fd = openSync(path, 'a');
  const { dev, ino } = fstatSync(fd);
  const preload = `data:text/javascript,${encodeURIComponent(hook)}`;
  const child = spawn(process.execPath, ['--import', preload, main, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: await temporaryFolder(t),
      ...(journal ? { JOURNAL_STREAM: `${dev}:${ino}` } : {}),
    },
    stdio: ['ignore', 'ignore', fd],
  });
  closeSync(fd);
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'close').then(
    async ([code]): Promise<Written> => ({
      code,
      lines: (await readFile(path, 'utf8')).trimEnd().split('\n'),
    }),
  );
  return {
    ended,
    /** Sends `signal` once the agent has logged that it starts. */
    async signal(signal: NodeJS.Signals): Promise<Written> {
      await eventually('the agent starts', async () =>
        (await readFile(path, 'utf8')).includes('the agent starts'),
      );
      child.kill(signal);
      return ended;
    },
  };
}

const journal = async (t: TestContext, args: readonly string[]) => (await start(t, args)).ended;

const faulty = 'compute.heartbeatFrequency: fast\napi: {port: many}\n'
  .replace('compute.', 'compute: {')
  .replace('fast', 'fast}');

test('on a terminal an error and its hint are broken between words, elsewhere each is a line', async t => {
  const args = ['node', 'list', '--api-port', '1', '--api-host', 'localhost'];
  const plain = await (await start(t, args, { journal: false })).ended;
  assert.deepEqual(
    plain.lines.map(line => line.slice(0, 7)),
    ['Error: ', 'Hint:  '],
  );
  for (const columns of [60, 200]) {
    const hook = `Object.assign(process.stderr, { isTTY: true, columns: ${columns} }); process.env.NO_COLOR = '1'`;
    const { lines } = await (await start(t, args, { journal: false, hook })).ended;
    for (const line of lines) assert.ok(line.length <= Math.min(columns, 80), line);
    assert.equal(lines.join('\n').replace(/\n {7}/g, ' '), plain.lines.join('\n'));
  }
});

test('each fault that ends a role is one line of JSON with its priority in the journal', async t => {
  const config = await configFile(t, faulty);
  for (const role of ['agent', 'requester']) {
    const { code, lines } = await journal(t, [role, '--config', config]);
    assert.equal(code, 78);
    assert.equal(lines.length, 2, lines.join('\n'));
    for (const line of lines) {
      assert.match(line, /^<3>\{/);
      const { level, time, msg, code: name } = JSON.parse(line.slice(3));
      assert.deepEqual([level, name], ['error', 'bad_config']);
      assert.ok(msg.startsWith(`${config}:`), msg);
      assert.ok(Number.isFinite(Date.parse(time)));
    }
  }
});

test('the hint is part of the line, and with log format text each line has its priority', async t => {
  const folder = await temporaryFolder(t);
  const taken = join(folder, 'requester');
  closeSync(openSync(taken, 'w'));
  const args = ['requester', '--data-dir', folder, '--api-port', '0'];
  const { code, lines } = await journal(t, args);
  assert.equal(code, 1);
  const { msg, hint, code: name } = JSON.parse(lines.at(-1)?.slice(3) ?? '');
  assert.match(msg, /^cannot write .*: /);
  assert.match(hint, /dataDir/);
  assert.equal(name, 'not_writable');
  const text = await journal(t, [...args, '--log-format', 'text']);
  assert.match(text.lines.at(-2) ?? '', /^<3>Error: cannot write /);
  assert.match(text.lines.at(-1) ?? '', /^<3>Hint: {2}/);
});

const lonely = async (t: TestContext) => [
  'agent',
  '--data-dir',
  await temporaryFolder(t),
  '--nats-servers',
  'nats://127.0.0.1:1',
];

test('a role logs with priorities to the journal, and without them elsewhere', async t => {
  const { code, lines } = await (await start(t, await lonely(t))).signal('SIGTERM');
  assert.equal(code, 0);
  for (const line of lines) assert.match(line, /^<[46]>\{"level":"(warn|info)",.*"role":"agent",/);
  assert.ok(lines.length > 1);
  const plain = await (await start(t, await lonely(t), { journal: false })).signal('SIGTERM');
  for (const line of plain.lines) assert.match(line, /^\{"level":"/);
});

const crashing = (what: string) => `process.on('SIGUSR2', () => { ${what} })`;

test('a crash ends a role with exit code 1 and one line that shows where it came from', async t => {
  const hook = crashing("throw new RangeError('no luck\\n\\u001b[2J')");
  const { code, lines } = await (await start(t, await lonely(t), { hook })).signal('SIGUSR2');
  assert.equal(code, 1);
  const last = lines.at(-1) ?? '';
  assert.match(last, /^<3>\{/);
  const { level, msg, stack } = JSON.parse(last.slice(3));
  const said = 'this should not have happened: RangeError: no luck\\u000a\\u001b[2J';
  assert.deepEqual([level, msg], ['error', said]);
  assert.ok(stack.length > 0 && stack.every((frame: string) => /^ {4}at /.test(frame)), stack);
  const people = await (await start(t, await lonely(t), { hook, journal: false })).signal('SIGUSR2');
  assert.equal(people.code, 1);
  const at = people.lines.indexOf(`Error: ${said}`);
  assert.match(people.lines[at + 1] ?? '', /^ {4}at /);
});

test('a rejected promise that nothing handles crashes in the same way', async t => {
  const hook = crashing("Promise.reject('just text')");
  const { code, lines } = await (await start(t, await lonely(t), { hook, journal: false })).signal('SIGUSR2');
  assert.equal(code, 1);
  assert.match(lines.join('\n'), /^Error: this should not have happened: .*just text/m);
});

test('a relative path in a removed working folder is an error with a hint', async t => {
  const gone = JSON.stringify(join(await temporaryFolder(t), 'gone'));
  const leave = `import { mkdirSync, rmdirSync } from 'node:fs'; mkdirSync(${gone}); process.chdir(${gone}); rmdirSync(${gone});`;
  const nodeOptions = ['--import', `data:text/javascript,${encodeURIComponent(leave)}`];
  for (const args of [
    ['config', 'show', '--config', 'x.yaml'],
    ['config', 'show', '--data-dir', 'x'],
    ['doctor', '--bundle', 'x.tar'],
  ])
    assert.deepEqual(await muster(t, args, { nodeOptions }), {
      code: 1,
      stdout: '',
      stderr:
        'Error: the working folder does not exist any more, and a relative path starts there\nHint:  go to another folder, or write the whole path\n',
    });
});
