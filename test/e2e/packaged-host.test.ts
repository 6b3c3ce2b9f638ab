// The packaged file runs a whole cluster on hosts where nothing else is installed, or where little is allowed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Built } from '../../scripts/packaging/build.ts';
import { type BareRoot, bareRoot, type Conditions, whyNoBareRoot } from '../support/bare-root.ts';
import { compileLibrary } from '../support/compile.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { freePort } from '../support/listener.ts';
import { cannotPackage, packaged } from '../support/packaged.ts';
import { muster, Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

const skip = cannotPackage || (await whyNoBareRoot()) || false;
const compiler = await findProgram('cc').catch(() => undefined);

/** The path of the library that sets the clock to 1970, in the bare root. */
const clock = '/clock-1970.so';

const hosts: Record<string, Conditions & { skip?: string | false }> = {
  'a bare root': {},
  'a read-only file system': { readOnly: true },
  'a /tmp from which nothing can be run': { noexec: ['/tmp'] },
  'a user without name or HOME': { user: true },
  '64 open files allowed': { files: 64 },
  'standard output and error closed': { closed: true },
  'a clock that begins in 1970': {
    preload: clock,
    skip: compiler ? false : 'there is no C compiler for the library that sets the clock',
  },
  'all of this at once': { readOnly: true, noexec: ['/tmp'], user: true, files: 64, closed: true },
};

describe('the packaged file', { skip }, () => {
  let built: Built;
  let root: BareRoot;

  before(async () => {
    built = await packaged();
    root = await bareRoot(built.file);
    if (compiler) {
      const source = new URL('../support/clock.c', import.meta.url);
      const library = await compileLibrary(source, 'clock.so', [`-DMODULO_S=${30 * 86_400}`]);
      await root.add(clock, await readFile(library));
    }
  });

  after(() => root.release());

  const run = (args: string[], conditions: Conditions = {}) =>
    muster(args, { program: root.program(conditions) });

  it('needs the libraries of libc6, libstdc++6, libgcc-s1 and libatomic1, and no other', () => {
    const libc6 = ['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0'];
    const loader = root.libraries.filter(name => /^ld-linux.*\.so\.\d$/.test(name));
    assert.deepEqual(
      root.libraries.toSorted(),
      [...libc6, 'libstdc++.so.6', 'libgcc_s.so.1', 'libatomic.so.1', ...loader].sort(),
    );
  });

  it('prints the completion scripts that lie in the source', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const source = new URL(`../../agent/cli/completion/muster.${shell}`, import.meta.url);
      assert.equal((await run(['completion', shell])).stdout, await readFile(source, 'utf8'), shell);
    }
  });

  for (const [host, { skip: why, ...conditions }] of Object.entries(hosts)) {
    // With closed outputs, only the exit code can be checked.
    const readable = !conditions.closed;

    it(`prints its version and the facts about the machine with ${host}`, { skip: why }, async () => {
      const version = await run(['version', '-o', 'json'], conditions);
      assert.deepEqual([version.code, version.stderr], [0, '']);
      if (readable)
        assert.deepEqual(readShown<{ packaged: unknown }>(version.stdout).packaged, built.contents);
      const probe = await run(['probe', '-o', 'json'], conditions);
      assert.deepEqual([probe.code, probe.stderr], [0, '']);
      if (!readable) return;
      const view = readShown<{
        sources: { source: string; fault?: { reason: string } }[];
        readAt: string;
      }>(probe.stdout);
      const native = view.sources.find(({ source }) => source === 'native probe');
      if ('missing' in built.contents.probe) assert.match(native?.fault?.reason ?? '', /is not in this file/);
      else assert.deepEqual([native?.source, native?.fault], ['native probe', undefined]);
      assert.equal(view.readAt.startsWith('1970-'), conditions.preload === clock);
    });

    it(`runs a cluster with ${host}, and leaves nothing behind`, { skip: why }, async t => {
      const folder = `/data/${host.replaceAll(/\W+/g, '-')}`;
      const api = ['--api-port', String(await freePort())];
      const dev = new Program(
        ['dev', '--data-dir', folder, ...api, '--broker-port', String(await freePort())],
        {
          program: root.program(conditions),
        },
      );
      t.after(() => dev.kill());
      const list = async () => (await run(['node', 'list', ...api])).stdout;
      await eventually(
        'node-1 is registered',
        async () => !dev.running || /node-1 +Compute +PENDING +HEALTHY/.test(await list()),
      );
      assert.ok(dev.running, dev.stderr);
      const decided = await run(['node', 'approve', 'node-1', '-m', 'known', ...api], {
        ...conditions,
        closed: false,
      });
      assert.deepEqual([decided.code, decided.stdout, decided.stderr], [0, 'Ok\n', '']);
      await eventually('it is approved', async () => /node-1 +Compute +APPROVED +HEALTHY/.test(await list()));
      assert.equal(
        await brokerIn(folder),
        'missing' in built.contents.broker ? '' : built.contents.broker.sha256,
      );
      dev.signal('SIGINT');
      assert.equal((await dev.finished).code, 0);
      // Every line is one of the log, and none is a warning or an error.
      assert.doesNotMatch(dev.stderr, /^[^{]|"level":"(?:warn|error)"/m);
    });
  }

  /** Returns the hash of the broker in the data folder, and asserts that it is the only file there. */
  async function brokerIn(folder: string): Promise<string> {
    const bin = join(root.data, folder.slice('/data/'.length), 'dev/node-0/broker/bin');
    assert.deepEqual(await readdir(bin), ['nats-server']);
    return createHash('sha256')
      .update(await readFile(join(bin, 'nats-server')))
      .digest('hex');
  }

  it('says how to run the broker from elsewhere when nothing can be run in the data folder, and does so', async t => {
    const api = ['--api-port', String(await freePort())];
    const args = [
      'requester',
      '--data-dir',
      '/data/noexec',
      ...api,
      '--broker-port',
      String(await freePort()),
    ];
    const refused = await run(args, { noexec: ['/data'] });
    assert.equal(refused.code, 77);
    assert.match(
      refused.stderr,
      /^Error: the broker \/data\/noexec\/broker\/bin\/nats-server may not be run/m,
    );
    assert.match(refused.stderr, /^Hint: .*noexec.*broker\.binary/m);
    await root.add('/nats-server', await readFile(await findProgram('nats-server')), 0o755);
    const env = { MUSTER_BROKER_BINARY: '/nats-server' };
    const requester = new Program(args, { program: root.program({ noexec: ['/data'], env }) });
    t.after(() => requester.kill());
    await requester.untilPrinted(/the requester is ready/);
    assert.equal((await requester.stop()).code, 0);
  });

  it('ignores NODE_OPTIONS', async () => {
    const env = { NODE_OPTIONS: '--require /nothing --no-such-option' };
    const { code, stdout, stderr } = await run(['version'], { env });
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^muster \d/);
  });

  it('contains the licences of all its parts', async () => {
    const { code, stdout } = await run(['version', '--licences']);
    assert.equal(code, 0);
    assert.equal(stdout, await readFile(built.parts['THIRD-PARTY-NOTICES'] ?? '', 'utf8'));
    for (const part of [
      /^ {2}muster /m,
      /^ {2}Node\.js 26\./m,
      /^ {2}nats 2\./m,
      /nats-server\S* v?\S+: Apache-2\.0/,
    ])
      assert.match(stdout, part);
    assert.equal(/^ {2}napi \d/m.test(stdout), !('missing' in built.contents.probe));
  });
});
