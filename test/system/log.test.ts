// The log writes one line for each event in both formats, writes nothing that a terminal obeys, and never ends the process.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { silentLog } from '../../agent/system/log.ts';
import { printable } from '../../agent/system/printable.ts';
import { noTerminal } from '../cli/completion/terminal.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

const talker = fileURLToPath(new URL('./talker.ts', import.meta.url));
const node = 'n-1';
const evil = '\u001b[2J\u009b31m\u202egnp\n\r\u0000\u2028\u{e0041}\u00ad" =\\';

interface Talk {
  level?: string;
  format?: 'json' | 'text';
  priorities?: boolean;
  base?: object;
  lines: { level: string; fields: object; message: string }[];
  pauses?: number;
  last?: string;
  file?: string;
  secret?: string;
}

/** Starts a process that logs. Its standard error goes to `stderr`. */
function start(talk: Talk, stderr: number | 'pipe' = 'pipe') {
  const options = JSON.stringify({ level: 'info', format: 'json', ...talk });
  const child = spawn(process.execPath, [talker], {
    stdio: ['pipe', 'pipe', stderr],
    env: { TALK: options },
  });
  if (talk.last === undefined) child.stdin?.end();
  return { child, answer: child.stdout ? text(child.stdout) : Promise.reject(new Error('no output')) };
}

/** Returns what a process that logs writes to standard error. */
async function say(talk: Talk): Promise<string> {
  const { child, answer } = start(talk);
  child.stdin?.end();
  const [said, end] = await Promise.all([child.stderr ? text(child.stderr) : '', answer]);
  assert.equal(end, 'done\n');
  return said;
}

const line = (message: string, fields: object = {}, level = 'info') => ({ level, fields, message });

describe('as JSON', () => {
  test('a line is one object with level, time, message, fields, and the error with its code and cause', async () => {
    const lines = [
      line('started', { node, count: 2 }),
      line('failed', { err: 'no luck' }, 'error'),
      line('no', {}, 'debug'),
    ];
    const said = await say({ base: { role: 'agent' }, lines });
    const [first, second, ...rest] = said
      .trimEnd()
      .split('\n')
      .map(each => JSON.parse(each));
    assert.equal(rest.length, 0, said);
    const { time, ...started } = first;
    assert.deepEqual(started, { level: 'info', role: 'agent', node, count: 2, msg: 'started' });
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.deepEqual(second.err, { message: 'no luck', code: 'EX', cause: { message: 'its cause' } });
    assert.doesNotMatch(said, /\bat /, 'no stack traces');
  });

  test('hostile text keeps its meaning, in characters that a terminal does not obey', async () => {
    const said = await say({ lines: [line(evil, { evil, [evil]: 1 }), line('next')] });
    const [first, second] = said.trimEnd().split('\n');
    assert.deepEqual([JSON.parse(first ?? '').msg, JSON.parse(first ?? '').evil], [evil, evil]);
    assert.match(second ?? '', /next/);
    assert.match(said, /^[\x20-\x7e\n]+$/);
  });
});

describe('as text', () => {
  const clock = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /;
  const asText = async (...lines: Talk['lines']) => say({ format: 'text', lines });

  test('a line has the time, the level and the message, and then the fields, quoted where needed', async () => {
    const fields = { node, server: 'a b', empty: '', list: [1, 'x'], absent: null, quote: 'say "x"' };
    const said = await asText(line('started', fields), line('failed', { err: 'no luck' }, 'warn'));
    const [first, second] = said.split('\n');
    assert.match(first ?? '', clock);
    const rest = 'INFO  started  node=n-1 server="a b" empty= list=[1,"x"] absent=null quote="say \\"x\\""';
    assert.equal(first?.replace(clock, ''), rest);
    assert.equal(second?.replace(clock, ''), 'WARN  failed  err="no luck"');
  });

  test('hostile text stays on one line, in characters that a terminal does not obey', async () => {
    const said = await asText(line(evil, { evil, err: evil, list: [evil] }), line('x'.repeat(5_000)));
    assert.equal(said.split('\n').length, 3, said);
    assert.match(said, /^[\x20-\x7e\n…]+$/);
    assert.ok(said.length < 4_000, 'no text is longer than a screen');
  });
});

describe('as text on a terminal', () => {
  const indent = ' '.repeat(26);

  /** Returns the lines that a process shows on a terminal with so many columns. */
  async function show(columns: number, talk: Omit<Talk, 'format'>): Promise<string[]> {
    const command = `stty cols ${columns} && exec ${process.execPath} ${talker} >/dev/null`;
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        TALK: JSON.stringify({ level: 'info', format: 'text', ...talk }),
        SHELL: '/bin/sh',
        PATH: '/bin',
      },
    });
    return (await text(child.stdout)).trimEnd().split('\r\n');
  }

  test('wraps a line at the width, and indents what follows', async t => {
    const missing = await noTerminal();
    if (missing) return t.skip(missing);
    const fields = { role: 'requester', url: 'nats://127.0.0.1:4222', version: '2.12.15', pid: 123_456 };
    const message = 'the broker runs and takes clients, which was not so a moment ago';
    const [first = '', ...rest] = await show(80, { lines: [line(message, fields), line('short')] });
    assert.match(
      first,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO {2}the broker runs and takes clients, which was not so a$/,
    );
    assert.deepEqual(rest.slice(0, 2), [
      `${indent}moment ago  role=requester url=nats://127.0.0.1:4222`,
      `${indent}version=2.12.15 pid=123456`,
    ]);
    assert.match(rest[2] ?? '', /INFO {2}short$/);
    assert.equal(rest.length, 3);
  });

  test('hides a secret with blanks in it that a wrapped line would have divided', async t => {
    const missing = await noTerminal();
    if (missing) return t.skip(missing);
    const secret = 'canary one two three four five six seven';
    const lines = [line('the password of the broker was changed', { password: secret })];
    const shown = (await show(60, { secret, lines })).join('\n');
    assert.doesNotMatch(shown, /canary|seven/);
    assert.match(shown, /password=/);
  });
});

describe('into a file of its own', () => {
  test('all lines go to the file, and none to standard error', async () => {
    const file = join(await newFolder(), 'log');
    assert.equal(await say({ file, lines: [line('one'), line(evil)] }), '');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines.map(each => JSON.parse(each).msg),
      ['one', evil],
    );
  });

  test('the file holds no secret, and no prefix for the journal', async () => {
    const file = join(await newFolder(), 'log');
    const secret = 'canary-0123456789';
    await say({ file, secret, priorities: true, lines: [line(`token ${secret}`, { secret })] });
    assert.match(await readFile(file, 'utf8'), /^\{[^\n]*"msg":"token <redacted>"\}\n$/);
    assert.ok(!(await readFile(file, 'utf8')).includes(secret));
  });

  test('a file that cannot be opened is reported, and the lines go to standard error', async () => {
    const file = join(await newFolder(), 'absent', 'log');
    const said = await say({ file, lines: [line('one')] });
    const [first, second] = said
      .trimEnd()
      .split('\n')
      .map(each => JSON.parse(each));
    assert.deepEqual([first.level, first.file, first.err.code], ['warn', file, 'ENOENT']);
    assert.equal(first.msg, 'cannot log to the file: the log goes to standard error');
    assert.equal(second.msg, 'one');
  });

  test('when the disk is full, the lines go to standard error', async t => {
    const disk = await mountSmallDisk();
    if (!disk) return t.skip('no small disk can be mounted here');
    try {
      await disk.fill();
      const said = await say({ file: join(disk.folder, 'log'), lines: [line('one')] });
      assert.equal(JSON.parse(said).msg, 'one');
    } finally {
      await disk.release();
    }
  });
});

describe('levels', () => {
  test('the level may change while the process runs', async () => {
    const said = await say({
      level: 'warn',
      lines: [line('quiet'), line('loud', {}, 'error')],
      last: 'raised',
    });
    assert.deepEqual(
      said
        .trimEnd()
        .split('\n')
        .map(each => JSON.parse(each).msg),
      ['loud', 'raised'],
    );
  });

  test('the level silent writes nothing', async () => {
    assert.equal(await say({ level: 'silent', lines: [line('x', {}, 'error')] }), '');
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) silentLog[level]({}, '');
  });
});

describe('priorities', () => {
  // sd-daemon(3) and syslog(3) define the numbers: debug is 7, info 6, warning 4, error 3.
  const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;

  test('priorities begin each line in both formats', async () => {
    const lines = levels.map(level => line(level, {}, level));
    const json = await say({ level: 'trace', priorities: true, lines });
    const shown = json.trimEnd().split('\n');
    assert.deepEqual(
      shown.map(each => each.slice(0, 3)),
      ['<7>', '<7>', '<6>', '<4>', '<3>'],
    );
    assert.deepEqual(
      shown.map(each => JSON.parse(each.slice(3)).level),
      levels,
    );
    const text = await say({ level: 'trace', format: 'text', priorities: true, lines });
    assert.match(text, /^<7>.* TRACE trace\n<7>.* DEBUG debug\n<6>.* INFO .*\n<4>.* WARN .*\n<3>.*\n$/);
  });

  test('there are no priorities unless asked for', async () => {
    assert.match(await say({ lines: [line('x')] }), /^\{/);
  });
});

describe('an output that fails does not end the process', () => {
  const lines = Array.from({ length: 20 }, () => line('x'.repeat(1_000)));

  const talk: Talk = { level: 'info', format: 'json', lines };

  test('the reader is gone', async () => {
    const { child, answer } = start({ ...talk, pauses: 5 });
    child.stderr?.destroy();
    assert.equal(await answer, 'done\n');
  });

  test('the reader hangs: lines are lost, and the memory does not grow', async () => {
    const { child, answer } = start({ ...talk, pauses: 200 });
    child.stderr?.pause();
    child.stdout?.once('data', () => child.stderr?.destroy());
    assert.equal(await answer, 'done\n');
  });

  test('the output was closed before the start', async () => {
    const command = ['-c', 'exec "$@" 2>&-', 'sh', process.execPath, talker];
    const child = spawn('sh', command, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { TALK: JSON.stringify(talk) },
    });
    assert.equal(await text(child.stdout), 'done\n');
  });

  test('the disk is full, and the first line after there is room again says how many were lost', async () => {
    const disk = await mountSmallDisk();
    const path = disk ? join(disk.folder, 'log') : '/dev/full';
    const file = await open(path, 'a');
    try {
      await disk?.fill();
      const { child, answer } = start({ ...talk, last: 'raised' }, file.fd);
      await once(child.stdout ?? child, 'data');
      const before = (await stat(path)).size;
      await disk?.makeRoom();
      child.stdin?.end();
      await answer;
      if (!disk) return;
      const [note, raised, ...rest] = (await readFile(path, 'utf8')).slice(before).trimEnd().split('\n');
      // All twenty lines are counted, and none twice.
      assert.equal(JSON.parse(note ?? '').lost, lines.length);
      assert.deepEqual([JSON.parse(raised ?? '').msg, rest], ['raised', []]);
    } finally {
      await file.close();
      await disk?.release();
    }
  });

  test('the disk is full in the middle of a line: that line is lost, and none of the next ones', async t => {
    const disk = await mountSmallDisk();
    if (!disk) return t.skip('no small disk can be mounted here');
    const path = join(disk.folder, 'log');
    const file = await open(path, 'a');
    try {
      await file.write('one\n');
      await disk.fill();
      // The page that holds the first line has room for a part of this one.
      const { child, answer } = start({ lines: [line('x'.repeat(8_192))], last: 'raised' }, file.fd);
      await once(child.stdout ?? child, 'data');
      await disk.makeRoom();
      child.stdin?.end();
      await answer;
      const [, cut, note, raised, ...rest] = (await readFile(path, 'utf8')).split('\n');
      assert.match(cut ?? '', /^\{.*x$/);
      assert.equal(JSON.parse(note ?? '').lost, 1);
      assert.deepEqual([JSON.parse(raised ?? '').msg, rest], ['raised', ['']]);
    } finally {
      await file.close();
      await disk.release();
    }
  });

  test('the output is a file', async () => {
    const path = join(await newFolder(), 'log');
    const file = await open(path, 'w');
    assert.equal(await start({ lines }, file.fd).answer, 'done\n');
    await file.close();
    assert.equal((await readFile(path, 'utf8')).trimEnd().split('\n').length, lines.length);
  });
});

describe('printable', () => {
  test('leaves the text that people write as it is', () => {
    for (const plain of ['', 'node-1', 'Grüße, 東京, дом, שלום', '😀', 'a\\b "c"'])
      assert.equal(printable(plain), plain);
  });

  test('shows control characters, directions, invisible characters and line breaks as codes', () => {
    assert.equal(printable('\u001b[31m'), '\\u001b[31m');
    assert.equal(printable('a\r\n\tb'), 'a\\u000d\\u000a\\u0009b');
    const hidden =
      '\u007f\u0085\u009b\u00ad\u061c\u180e\u200b\u200e\u202a\u202e\u2028\u2029\u2060\u2066\ufeff\ufff9';
    assert.match(printable(hidden), /^(\\u[0-9a-f]{4})+$/);
    assert.equal(printable('\u{e0041}'), '\\udb40\\udc41');
    assert.equal(printable('\ud83d'), '\\ud83d');
  });

  test('cuts text that is too long, and shows half of a surrogate pair as a code', () => {
    assert.equal(printable('x'.repeat(600)), `${'x'.repeat(512)}…`);
    assert.equal(printable('abcd', 4), 'abcd');
    assert.equal(printable('abcde', 4), 'abcd…');
    assert.equal(printable('abc😀', 4), 'abc\\ud83d…');
  });

  test('returns a bounded length, and nothing that a terminal obeys, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat(100), (input, limit) => {
        const shown = printable(input, limit);
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        assert.ok(shown.isWellFormed());
        assert.ok(shown.length <= 6 * limit + 1);
      }),
    );
  });
});
