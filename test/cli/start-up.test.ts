// A command loads only what it needs, so that it starts quickly.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cluster, serve } from '../requester/api/api-fixture.ts';
import { muster, temporaryFolder } from './program.ts';

const hook = fileURLToPath(new URL('./loaded-modules.ts', import.meta.url));

const heavy = ['yargs', 'yaml', 'hono', '@hono/node-server', 'nats', 'systeminformation'];

/** Returns the packages and the files of agent/ that `muster ARGS` loads. */
async function loads(t: TestContext, args: string[], expected = 0): Promise<Set<string>> {
  const file = join(await temporaryFolder(t), 'modules');
  const options = { nodeOptions: ['--import', hook], env: { LOADED_MODULES: file } };
  const { code, stderr } = await muster(t, args, options);
  assert.equal(code, expected, stderr);
  const urls = (await readFile(file, 'utf8')).split('\n');
  return new Set(
    urls.flatMap(url => {
      const found = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? /\/(agent\/.*)$/.exec(url);
      return found?.[1] ?? [];
    }),
  );
}

test('version loads no package', async t => {
  for (const args of [['version'], ['--version'], ['version', '-o', 'json']]) {
    const loaded = await loads(t, args);
    assert.deepEqual(
      [...loaded].filter(name => !name.startsWith('agent/')),
      [],
      args.join(' '),
    );
    assert.ok(loaded.has('agent/cli/commands/version.ts'));
    assert.ok(!loaded.has('agent/cli/commands/events.ts') && !loaded.has('agent/config/settings.ts'));
  }
});

test('status loads no heavy package', async t => {
  const loaded = await loads(t, ['status', '--data-dir', await temporaryFolder(t)], 69);
  for (const name of heavy) assert.ok(!loaded.has(name), name);
});

test('doctor itself loads nothing heavy and nothing that may crash: its check process does', async t => {
  const loaded = await loads(t, ['doctor', '--data-dir', await temporaryFolder(t)], 1);
  for (const name of [...heavy, 'pino', 'valibot']) assert.ok(!loaded.has(name), name);
  assert.ok(
    ![...loaded].some(name => /^agent\/(host|transport|compute|requester)\//.test(name)),
    [...loaded].join('\n'),
  );
});

test('the requester loads nothing of the agent, and dev loads nothing of either', async t => {
  const folder = await temporaryFolder(t);
  const of = (loaded: Set<string>, part: string) => [...loaded].filter(name => name.startsWith(part));
  // The role refuses these settings after it has loaded everything, so nothing starts to run.
  const requester = await loads(t, ['requester', '--data-dir', folder, '--api-port', '4222'], 78);
  assert.ok(of(requester, 'agent/requester/').length > 0);
  assert.deepEqual(of(requester, 'agent/compute/'), []);
  assert.deepEqual(
    of(requester, 'agent/host/gpu/').filter(name => name !== 'agent/host/gpu/gpu-labels.ts'),
    [],
  );
  assert.deepEqual(await readdir(folder), [], 'the refusal comes before any state is made');
  const taken = join(folder, 'file');
  await writeFile(taken, '');
  const dev = await loads(t, ['dev', '--data-dir', taken], 1);
  for (const part of ['agent/compute/', 'agent/requester/', 'agent/transport/'])
    assert.deepEqual(of(dev, part), []);
});

test('completing words loads no package, and completing nodes loads only the client of the API', async t => {
  // On a busy machine it would be cut off after its usual second, before it has written what it loaded.
  const words = await loads(t, ['completion-words', '--within', '60s', '--', 'node', 'list', '-o', '']);
  for (const name of heavy) assert.ok(!words.has(name), name);
  const commands = await loads(t, ['completion-words', '--within', '60s', '--', '']);
  assert.deepEqual(
    [...commands].filter(name => !name.startsWith('agent/')),
    [],
  );
  const api = await serve(t, cluster());
  const nodes = await loads(t, [
    'completion-words',
    '--within',
    '60s',
    '--',
    'node',
    'approve',
    `--api-port=${api.port}`,
    '',
  ]);
  for (const name of heavy) assert.ok(!nodes.has(name), name);
});

test('only help loads yargs', async t => {
  const api = await serve(t, cluster());
  const loaded = await loads(t, ['node', 'list', '--api-port', String(api.port)]);
  for (const name of heavy) assert.ok(!loaded.has(name), name);
  assert.ok(loaded.has('valibot'));
  assert.ok((await loads(t, ['--help'])).has('yargs'));
});
