// One process holds a folder: others are refused, a dead holder is replaced, and the holder answers requests.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MusterError } from '../../agent/system/errors.ts';
import { askHolder, holdFolder } from '../../agent/system/role-socket.ts';
import type { RoleHandler } from '../../agent/system/socket-request.ts';
import { newFolder } from '../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../support/unprivileged.ts';

const name = 'control.sock';
const status = { command: 'status' };

const hold = (folder: string, handler: RoleHandler = () => ({ pid: process.pid })) =>
  holdFolder(folder, handler, found => `held: ${JSON.stringify(found)}`);

async function fails(work: Promise<unknown>, code: string, message: RegExp): Promise<MusterError> {
  const error = await work.then(
    () => assert.fail('it did not fail'),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof MusterError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return error;
}

interface Attempt {
  held: boolean;
  code?: string;
  message?: string;
}

/** A process that holds folders when a test asks it to. */
class Contender {
  static readonly all = new Set<ChildProcess>();
  readonly #child: ChildProcess;

  static async start(): Promise<Contender> {
    const child = fork(fileURLToPath(new URL('./contender.ts', import.meta.url)));
    Contender.all.add(child);
    await once(child, 'message');
    return new Contender(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async hold(folder: string): Promise<Attempt> {
    const answer = once(this.#child, 'message');
    this.#child.send(folder);
    return (await answer)[0];
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
    Contender.all.delete(this.#child);
  }
}

after(() => {
  for (const child of Contender.all) child.kill('SIGKILL');
});

describe('a folder', () => {
  test('is held by one process, which answers, and is empty again after it', async () => {
    const folder = await newFolder();
    assert.equal(await askHolder(folder, status), undefined);
    const socket = await hold(folder, request => ({ request, mine: true }));
    assert.deepEqual(await askHolder(folder, status), { request: status, mine: true });
    assert.equal((await stat(join(folder, name))).mode & 0o077, 0, 'nobody else may ask');
    await socket.close();
    assert.equal(await askHolder(folder, status), undefined);
    assert.deepEqual(await readdir(folder), []);
    await (await hold(folder)).close();
  });

  test('refuses a second process with the text about the first', async () => {
    const folder = await newFolder();
    const first = await hold(folder);
    const before = await readdir(folder);
    await fails(hold(folder), 'in_use', new RegExp(`^held: {"pid":${process.pid}}$`));
    assert.deepEqual(await readdir(folder), before);
    assert.deepEqual(await askHolder(folder, status), { pid: process.pid });
    await first.close();
  });

  test('is held even by a process that answers nothing, or answers with an error', async () => {
    const folder = await newFolder();
    for (const [handler, message] of [
      [() => undefined, /^held: undefined$/],
      [() => null, /^held: null$/],
      [() => assert.fail('broken'), /^another process holds .*: broken$/],
      [() => 1n, /^another process holds .*BigInt/],
      [() => 'x'.repeat(70_000), /^another process holds .*the answer is too long$/],
    ] as [RoleHandler, RegExp][]) {
      const first = await hold(folder, handler);
      await fails(hold(folder), 'in_use', message);
      await first.close();
    }
  });

  test('is asked in vain when another program behind the socket answers with something else', async t => {
    const folder = await newFolder();
    let said = '';
    const server = createServer(socket =>
      socket.once('data', () => socket.end(said)).on('error', () => undefined),
    );
    t.after(() => server.close());
    server.listen(join(folder, '.abcdef.sock'));
    await once(server, 'listening');
    await symlink('.abcdef.sock', join(folder, name));
    for (said of ['null', '7', '"x"', '{"error":{}}', '{"error":"no","hint":[]}', '{"error":null}'])
      await fails(
        askHolder(folder, status),
        'failed',
        /does not answer: what it said is no answer of a role$/,
      );
    said = '{"error":""}';
    await fails(askHolder(folder, status), 'failed', /^it refused without a reason$/);
    said = JSON.stringify({ error: 'x'.repeat(9_000) });
    await fails(askHolder(folder, status), 'failed', /^x{1024}$/);
  });

  test('is cleaned of files from processes that were killed before they held it, and of nothing else', async t => {
    const folder = await newFolder();
    // This socket belongs to a process that is alive and has not yet looked for the holder.
    const living = createServer().listen(join(folder, '.living.sock'));
    await once(living, 'listening');
    t.after(() => living.close());
    await symlink('.gone-1.sock', join(folder, '.living.sock.next'));
    for (const each of ['.dead-1.sock', '.other', 'identity.nk', '.dead.sock', '.sock'])
      await writeFile(join(folder, each), '');
    for (const each of ['.dead-1.sock.next', '.dead-2.sock.new', '.dead-3.sock.next'])
      await symlink('.gone-1.sock', join(folder, each));
    const socket = await hold(folder);
    t.after(() => socket.close());
    const names = (await readdir(folder)).filter(
      each => !/^\.[\w-]{6}\.sock$/.test(each) || each === '.living.sock',
    );
    assert.deepEqual(names.sort(), [
      '.dead.sock',
      '.living.sock',
      '.living.sock.next',
      '.other',
      '.sock',
      name,
      'identity.nk',
    ]);
  });

  test('with a path too long for a socket is held too, or refused with a hint', async () => {
    const folder = join(await newFolder(), 'x'.repeat(200), 'y'.repeat(200));
    await mkdir(folder, { recursive: true });
    if (process.platform !== 'linux') {
      await fails(hold(folder), 'bad_config', /has too long a path for a socket in it$/);
      return;
    }
    const first = await hold(folder);
    assert.deepEqual(await askHolder(folder, status), { pid: process.pid });
    await fails(hold(folder), 'in_use', /^held/);
    await first.close();
    assert.deepEqual(await readdir(folder), []);
    assert.equal(await askHolder(join(folder, 'nowhere'), status), undefined);
  });

  test('that does not exist has no holder', async () => {
    const file = join(await newFolder(), 'file');
    await writeFile(file, '');
    assert.equal(await askHolder(`${file}-nowhere`, status), undefined);
    for (const path of [file, join(file, 'sub'), join(file, 'z'.repeat(120))]) {
      assert.equal(await askHolder(path, status), undefined);
      await fails(hold(path), 'not_writable', /^cannot write .*: a part of the path is not a folder$/);
    }
  });

  test('with something else in the place of the link is left alone', async () => {
    const folder = await newFolder();
    const path = join(folder, name);
    await writeFile(path, 'precious');
    const error = await fails(hold(folder), 'bad_state', /control\.sock is not a link that muster made$/);
    assert.equal(error.hint, 'remove it and try again');
    assert.equal(await readFile(path, 'utf8'), 'precious');
    await rm(path);
    for (const target of ['/etc/passwd', '../x', '.sock', '.abcdef.sock/x']) {
      await symlink(target, path);
      await fails(hold(folder), 'bad_state', /not a link that muster made$/);
      await rm(path);
    }
    assert.deepEqual(await readdir(folder), []);
  });

  test('copied without its sockets, or restored from a backup, is free', async () => {
    const folder = await newFolder();
    await symlink('.abcdef.sock', join(folder, name));
    await symlink('.ghijkl.sock', join(folder, '.abcdef.sock.next'));
    await writeFile(join(folder, '.ghijkl.sock'), 'no socket');
    assert.equal(await askHolder(folder, status), undefined);
    const socket = await hold(folder);
    assert.deepEqual(await askHolder(folder, status), { pid: process.pid });
    await socket.close();
    assert.deepEqual(await readdir(folder), []);
  });
});

describe('between processes', { concurrency: true }, () => {
  test('a killed holder is replaced, many times', async () => {
    const folder = await newFolder();
    for (let round = 0; round < 3; round++) {
      const holder = await Contender.start();
      assert.deepEqual(await holder.hold(folder), { held: true });
      await fails(hold(folder), 'in_use', new RegExp(`^held: {"pid":${holder.pid}}$`));
      await holder.kill();
      assert.equal(await askHolder(folder, status), undefined);
    }
    await (await hold(folder)).close();
    assert.deepEqual(await readdir(folder), []);
  });

  test('a suspended holder still holds', async () => {
    const folder = await newFolder();
    const holder = await Contender.start();
    await holder.hold(folder);
    holder.signal('SIGSTOP');
    await fails(hold(folder), 'in_use', /^another process holds .*does not answer: no answer within 5 s$/);
    holder.signal('SIGCONT');
    await fails(hold(folder), 'in_use', new RegExp(`^held: {"pid":${holder.pid}}$`));
    await holder.kill();
  });

  test('a holder that ends while it is asked is dead, and is replaced', async () => {
    const folder = await newFolder();
    const server = createServer(socket => {
      // It has read the question, and ends instead of answering.
      socket.once('data', () => {
        server.close();
        socket.destroy();
      });
    });
    server.listen(join(folder, '.dying0.sock'));
    await once(server, 'listening');
    await symlink('.dying0.sock', join(folder, name));
    const socket = await hold(folder);
    await socket.close();
    assert.deepEqual(await readdir(folder), []);
  });

  test('a holder that ends is asked for its status again, and then nobody holds the folder', async () => {
    const folder = await newFolder();
    let asked = 0;
    for (const [request, name] of [
      [status, '.dying1.sock'],
      [{ command: 'backup' }, '.dying2.sock'],
    ] as const) {
      const server = createServer(socket => {
        socket.once('data', () => {
          asked++;
          server.close();
          socket.destroy();
        });
      });
      server.listen(join(folder, name));
      await once(server, 'listening');
      await symlink(name, join(folder, 'control.sock'));
      // Another request may have been carried out, so it is not sent twice.
      if (request === status) assert.equal(await askHolder(folder, request), undefined);
      else await fails(askHolder(folder, request), 'failed', /does not answer: it ended before it answered$/);
      await rm(join(folder, 'control.sock'));
    }
    assert.equal(asked, 2);
  });

  test('a request that was never sent, because the holder stopped listening meanwhile, is sent again', async () => {
    const folder = await newFolder();
    let ended = false;
    let refused = 0;
    const askOften = async () => {
      while (!ended) {
        const answer = await askHolder(folder, { command: 'backup' }).catch((error: Error) => error.message);
        if (answer === undefined) refused++;
        // One that was sent, but read by nobody, has no answer.
        else assert.match(String(answer), /^made$|does not answer: read ECONNRESET/);
      }
    };
    const asking = Promise.all(Array.from({ length: 8 }, askOften));
    for (let turn = 0; turn < 200; turn++) {
      const socket = await hold(folder, () => 'made');
      await new Promise(resolve => setImmediate(resolve));
      await socket.close();
    }
    ended = true;
    await asking;
    assert.ok(refused > 0);
  });

  test('exactly one of twenty that start at once wins, on a free folder and each time the winner is killed', async () => {
    const folder = await newFolder();
    let contenders = await Promise.all(Array.from({ length: 20 }, () => Contender.start()));
    for (let round = 0; round < 12; round++) {
      const attempts = await Promise.all(contenders.map(contender => contender.hold(folder)));
      const winners = contenders.filter((_, index) => attempts[index]?.held);
      const [winner] = winners;
      assert.ok(winner && winners.length === 1, `round ${round}: ${winners.length} hold the folder`);
      for (const { held, code, message } of attempts) {
        if (!held) assert.deepEqual([code, message], ['in_use', `{"pid":${winner.pid}}`]);
      }
      await winner.kill();
      contenders = contenders.filter(contender => contender !== winner);
    }
    await Promise.all(contenders.map(contender => contender.kill()));
  });

  test('two never hold at the same time while one closes and others start', async () => {
    const folder = await newFolder();
    let holders = 0;
    let turns = 0;
    const contend = async () => {
      while (turns < 150) {
        const socket = await hold(folder).catch(error => {
          if (!(error instanceof MusterError && error.code === 'in_use')) throw error;
        });
        if (!socket) continue;
        assert.equal(++holders, 1);
        turns++;
        await new Promise(resolve => setImmediate(resolve));
        holders--;
        await socket.close();
      }
    };
    await Promise.all(Array.from({ length: 6 }, contend));
    assert.deepEqual(await readdir(folder), []);
  });
});

describe('a request', () => {
  const refuse = () => {
    throw new MusterError('usage', 'unknown command', { hint: 'ask for status' });
  };

  /** Returns what the holder answers to raw bytes; empty when it closes the connection. */
  async function raw(folder: string, ...pieces: string[]): Promise<string> {
    const socket = connect(join(folder, name));
    socket.on('error', () => undefined);
    for (const piece of pieces) {
      await new Promise(resolve => socket.write(piece, resolve));
      await new Promise(resolve => setImmediate(resolve));
    }
    return text(socket).catch(() => '');
  }

  test('is answered, or refused with a hint', async () => {
    const folder = await newFolder();
    const socket = await hold(folder, async request => (request === 'no' ? refuse() : { request }));
    const odd = { command: 'x', text: '\n\u2028"', list: [1, null, {}] };
    assert.deepEqual(await askHolder(folder, odd), { request: odd });
    const error = await fails(askHolder(folder, 'no'), 'failed', /^unknown command$/);
    assert.equal(error.hint, 'ask for status');
    await socket.close();
  });

  test('may come in pieces, and what follows the line is not read', async () => {
    const folder = await newFolder();
    const socket = await hold(folder, request => request);
    assert.equal(await raw(folder, '{"a"', ':1', '}\n'), '{"value":{"a":1}}');
    assert.equal(await raw(folder, '1\n2\n3\n'), '{"value":1}');
    await socket.close();
  });

  test('that is broken or too large does no harm', async () => {
    const folder = await newFolder();
    let asked = 0;
    const socket = await hold(folder, () => ++asked);
    for (const bytes of ['\n', 'nonsense\n', '{"a":\n', '\0\xff\n', `${'['.repeat(60_000)}\n`])
      assert.match(await raw(folder, bytes), /^{"error":/, JSON.stringify(bytes.slice(0, 20)));
    assert.equal(await raw(folder, 'x'.repeat(70_000)), '');
    assert.equal(asked, 0);
    assert.equal(await askHolder(folder, status), 1);
    await socket.close();
  });

  test('of a client that disconnects before the answer does no harm', async () => {
    const folder = await newFolder();
    const answered = Promise.withResolvers<void>();
    const socket = await hold(folder, async request => {
      if (request === 'slow') await answered.promise;
      return { request };
    });
    const gone = connect(join(folder, name));
    await new Promise(resolve => gone.write('"slow"\n', resolve));
    gone.destroy();
    answered.resolve();
    assert.deepEqual(await askHolder(folder, 1), { request: 1 });
    await socket.close();
  });

  test('gets its own answer when many come at once', async () => {
    const folder = await newFolder();
    const socket = await hold(folder, request => request);
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    assert.deepEqual(await Promise.all(numbers.map(number => askHolder(folder, number))), numbers);
    await socket.close();
  });
});

describe('an unprivileged user', () => {
  test('holds and asks in a folder of its own', async () => {
    const folder = await unprivilegedFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    await asUnprivileged(async () => {
      const socket = await hold(folder);
      await fails(hold(folder), 'in_use', /^held/);
      assert.deepEqual(await askHolder(folder, status), { pid: process.pid });
      await socket.close();
      assert.deepEqual(await readdir(folder), []);
    });
  });

  test('gets an error where it may not ask and where it may not write', async () => {
    const folder = await unprivilegedFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    const long = join(folder, 'x'.repeat(100));
    await mkdir(long);
    const sockets = [await hold(folder), await hold(long)];
    for (const place of [folder, long]) {
      await chmod(place, 0);
      await asUnprivileged(async () => {
        await fails(askHolder(place, status), 'not_allowed', /^not allowed to ask the process in /);
        await fails(hold(place), 'not_writable', /^cannot write .*: permission denied$/);
      });
      await chmod(place, 0o755);
      if (place === folder) await chmod(long, 0o755);
    }
    for (const socket of sockets) await socket.close();
  });
});
