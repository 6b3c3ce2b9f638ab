// Checks the findings about GPUs on recorded machines, and on made-up ones with faults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Settings } from '../../../agent/config/settings.ts';
import { gpus } from '../../../agent/doctor/checks/gpus.ts';
import { probe } from '../../../agent/doctor/checks/probe.ts';
import type { Inputs } from '../../../agent/host/inputs/inputs.ts';
import { Replay } from '../../../agent/host/recording/replay.ts';
import { fakeRecording, loadMachine } from '../../host/machines.ts';
import { context } from './context.ts';

const look = async (inputs: Inputs, settings?: (from: Settings) => Settings) =>
  (await gpus(context({ inputs, ...(settings ? { settings } : {}) })).run()).map(
    ({ status, text }) => `${status} ${text}`,
  );

test('usable GPUs are ok, each with its driver', async () => {
  const found = await look(new Replay(await loadMachine('nvidia-8-gpus-mig')));
  assert.equal(found.length, 9, found.join('\n'));
  for (const line of found.slice(0, 8))
    assert.match(line, /^ok NVIDIA A100-SXM4-40GB at .*, driver nvidia 550\.54\.15$/);
  // The display adapter of the board is not meant for computing.
  assert.match(found[8] ?? '', /^ok ASPEED .* cannot be used: a display adapter/);
});

test('a machine without GPUs is ok', async () => {
  assert.deepEqual(await look(new Replay(await loadMachine('small-vm'))), ['ok none on this machine']);
});

test('a GPU without a driver is a warning', async () => {
  const found = await look(new Replay(await loadMachine('gpu-without-driver')));
  assert.ok(
    found.some(line => /^warning .* cannot be used: /.test(line)),
    found.join('\n'),
  );
});

test('a driver that hangs is a failure', async () => {
  const faults = { nvml: { kind: 'late', reason: 'did not answer within 15 s' } } as const;
  const found = await look(new Replay(fakeRecording({ faults })));
  assert.deepEqual(found, ['failed nvml did not answer within 15 s: the driver hangs']);
});

test('a declared GPU that is missing is a failure', async () => {
  const declared = (from: Settings): Settings => ({
    ...from,
    node: { ...from.node, declared: { ...from.node.declared, gpu: 2 } },
  });
  const found = await look(new Replay(fakeRecording({})), declared);
  assert.ok(
    found.some(line => line.startsWith('failed ')),
    found.join('\n'),
  );
});

test('without the native probe there is a warning with the reason', async () => {
  const [missing] = await probe(() => ({ reason: 'was not built' })).run();
  assert.equal(missing?.status, 'warning');
  assert.match(missing?.text ?? '', /^the native probe was not built: /);
  const [there] = await probe(() => ({ probe: {} as never, path: '/p.node' })).run();
  assert.deepEqual(there, { status: 'ok', text: 'the native probe works (/p.node)' });
});
