// Tests how vendors' tools are run: one at a time, with limits, and killed together with what they started.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ToolRunner } from '../../../agent/host/inputs/tool.ts';
import type { ChildOutcome } from '../../../agent/system/child.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { isRunning } from '../../support/processes.ts';
import { newFolder } from '../../support/temporary.ts';

/** Writes a tool named `smi` with `body` as its shell script, in a folder of its own. */
async function script(body: string, mode = 0o755) {
  const folder = await newFolder();
  const file = join(folder, 'smi');
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, mode);
  return { folder, file, tool: { name: 'smi', folders: ['/nonexistent', folder] } };
}

const runner = (clock = new FakeClock()) => new ToolRunner({ timeoutMs: 15_000, clock });
const textIn = (path: string) => readFile(path, 'utf8').catch(() => '');
const pidIn = async (path: string) => Number(await textIn(path));

test('the first file that is there runs with its arguments, and its output is returned', async () => {
  const { tool, file } = await script('echo "$1|$2"; echo complaint >&2; exit 3');
  const { value, fault } = await runner().run(tool, ['--query', 'a b; $(id)']);
  assert.equal(fault, undefined);
  assert.deepEqual(value, {
    program: file,
    status: 3,
    stdout: '--query|a b; $(id)\n',
    stderr: 'complaint\n',
  });
});

test('the environment holds no secret and no foreign language', async () => {
  process.env.MUSTER_TEST_SECRET = 'hush';
  const { tool } = await script('env');
  const { value } = await runner()
    .run(tool, [])
    .finally(() => delete process.env.MUSTER_TEST_SECRET);
  assert.match(value?.stdout ?? '', /^LC_ALL=C$/m);
  assert.doesNotMatch(value?.stdout ?? '', /MUSTER/);
});

test('a tool that is nowhere is absent, and the reason names the folders', async () => {
  const { fault } = await runner().run({ name: 'smi', folders: ['/nonexistent', '/nowhere'] }, []);
  assert.deepEqual(fault, { kind: 'absent', reason: 'is in none of /nonexistent, /nowhere' });
});

test('a file that may not be run is denied, and a file that is no program fails', async () => {
  if (process.getuid?.() !== 0) {
    const { tool } = await script('echo', 0o600);
    assert.equal((await runner().run(tool, [])).fault?.kind, 'denied');
  }
  const folder = await newFolder();
  await writeFile(join(folder, 'smi'), '#!/nonexistent/interpreter\n', { mode: 0o755 });
  await mkdir(join(folder, 'folder'));
  for (const name of ['smi', 'folder']) {
    const { fault } = await runner().run({ name, folders: [folder] }, []);
    assert.equal(fault?.kind, 'failed', name);
    assert.match(fault?.reason ?? '', /^could not be started/);
  }
});

test('a tool that hangs is killed when its time is over, together with what it started', async () => {
  const { tool, folder } = await script(
    `trap '' TERM; (trap '' TERM; echo $$ >"$0.shell"; exec sleep 1000) & echo $! >"$0.child"; echo $$ >"$0.pid"; wait`,
  );
  const clock = new FakeClock();
  const asked = runner(clock).run(tool, []);
  const pids = () => Promise.all(['pid', 'child'].map(end => pidIn(join(folder, `smi.${end}`))));
  await eventually('it runs', async () => (await pids()).every(pid => pid > 0));
  await clock.advance(14_999);
  for (const pid of await pids()) assert.ok(await isRunning(pid));
  await clock.advance(1);
  assert.deepEqual((await asked).fault, { kind: 'late', reason: 'did not end within 15 s and was killed' });
  for (const pid of await pids()) await eventually('it is gone', async () => !(await isRunning(pid)));
});

test('the answer does not wait for a grandchild that holds the pipes', async () => {
  const { tool, folder } = await script(
    'setsid sh -c \'echo $$ >"$0.away"; exec sleep 1000\' "$0" & echo started >"$0.on"; sleep 1000',
  );
  const clock = new FakeClock();
  const asked = runner(clock).run(tool, []);
  const away = join(folder, 'smi.away');
  await eventually('it is away', async () => (await pidIn(away)) > 0);
  await clock.advance(15_000);
  assert.equal((await asked).fault?.kind, 'late');
  process.kill(await pidIn(away), 'SIGKILL');
});

test('a tool that prints too much is killed', async () => {
  const { tool, folder } = await script(
    'echo $$ >"$0.pid"; while :; do echo "GPU 0: a line without an end"; done',
  );
  const { fault } = await runner().run(tool, []);
  assert.deepEqual(fault, { kind: 'failed', reason: 'printed more than 524288 bytes and was killed' });
  const pid = await pidIn(join(folder, 'smi.pid'));
  await eventually('it is gone', async () => !(await isRunning(pid)));
});

test('only the first 4096 bytes of the error output are kept', async () => {
  const { tool } = await script('head -c 1000000 /dev/zero | tr "\\0" x >&2; echo done');
  const { value } = await runner().run(tool, []);
  assert.equal(value?.stdout, 'done\n');
  assert.equal(value?.stderr.length, 4096);
});

test('bytes that are not text become U+FFFD and no error', async () => {
  const { tool } = await script(`printf '0, \\377\\376\\303(, 15360\\n'`);
  const { value } = await runner().run(tool, []);
  assert.equal(value?.stdout, '0, \ufffd\ufffd\ufffd(, 15360\n');
});

test('while a tool runs, it is not started a second time', async () => {
  const { tool, folder } = await script(
    'echo run >>"$0.runs"; while [ ! -e "$0.go" ]; do sleep 0.01; done; echo done',
  );
  const tools = runner();
  const first = tools.run(tool, []);
  await eventually('it runs', async () => (await textIn(join(folder, 'smi.runs'))) !== '');
  const { fault } = await tools.run(tool, ['-L']);
  assert.equal(fault?.kind, 'late');
  assert.match(
    fault?.reason ?? '',
    /^was not started again, because the run of 2026-01-01T00:00:00Z has not ended$/,
  );
  await writeFile(join(folder, 'smi.go'), '');
  assert.equal((await first).value?.stdout, 'done\n');
  assert.equal((await tools.run(tool, [])).value?.stdout, 'done\n');
  assert.equal(await textIn(join(folder, 'smi.runs')), 'run\nrun\n');
});

test('a tool that cannot be killed is not started again until it is gone, even after days', async () => {
  const { tool } = await script('exit');
  const clock = new FakeClock();
  const gone = Promise.withResolvers<void>();
  let starts = 0;
  const tools = new ToolRunner({
    timeoutMs: 15_000,
    clock,
    start: () => {
      starts++;
      return { outcome: Promise.resolve<ChildOutcome>({ kind: 'late' }), gone: gone.promise };
    },
  });
  await tools.run(tool, []);
  for (let ask = 0; ask < 576; ask++) {
    await clock.advance(300_000);
    assert.match((await tools.run(tool, [])).fault?.reason ?? '', /has not ended$/);
  }
  assert.equal(starts, 1);
  gone.resolve();
  await clock.settle();
  await tools.run(tool, []);
  assert.equal(starts, 2);
});

test('the signal kills a running tool at once', async () => {
  const { tool, folder } = await script('echo $$ >"$0.pid"; sleep 1000');
  const stop = new AbortController();
  const tools = new ToolRunner({ timeoutMs: 15_000, signal: stop.signal });
  const asked = tools.run(tool, []);
  const pid = join(folder, 'smi.pid');
  await eventually('it runs', async () => (await pidIn(pid)) > 0);
  stop.abort();
  assert.deepEqual((await asked).fault, { kind: 'failed', reason: 'was stopped' });
  await eventually('it is gone', async () => !(await isRunning(await pidIn(pid))));
  assert.equal((await tools.run(tool, [])).fault?.reason, 'was stopped');
});
