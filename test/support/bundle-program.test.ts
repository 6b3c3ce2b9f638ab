// The bundle that the end-to-end tests run does what the source does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleProgram } from './bundle-program.ts';
import { muster } from './program.ts';
import { readShown } from './read-shown.ts';
import { newFolder } from './temporary.ts';

const source = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

test('the bundle finds the files beside the source, and starts itself as its child', async () => {
  const bundle = await bundleProgram(await newFolder());
  const folder = await newFolder();
  for (const args of [
    ['version', '-o', 'json'],
    ['completion', 'bash'],
    // It names the command that a person types.
    ['node', 'list', '--api-port', '1'],
  ]) {
    const [ours, its] = await Promise.all([bundle, source].map(main => muster(args, { main })));
    assert.deepEqual(ours, its, args.join(' '));
  }
  const probe = await muster(['probe', '-o', 'json', '--data-dir', folder], { main: bundle });
  const { sources } = readShown<{ sources: { source: string; fault?: object }[] }>(probe.stdout);
  const inventory = sources.find(({ source: name }) => name === 'inventory');
  assert.deepEqual([inventory?.source, inventory?.fault], ['inventory', undefined]);
  const doctor = await muster(['doctor', '--role', 'agent', '--data-dir', folder], { main: bundle });
  assert.match(doctor.stdout, /^ok +probe|^warning +probe/m);
});
