// Tests that muster probe shows every recorded machine exactly as the file expected.txt beside it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { probeText } from '../../agent/cli/commands/probe/probe-text.ts';
import { Replay } from '../../agent/host/recording/replay.ts';
import { probeView } from '../../agent/host/view.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { loadMachine, machineNames, machinesFolder } from './machines.ts';

/** Returns what `muster probe --sources` prints for the machine. */
const shown = async (name: string) =>
  probeText(await probeView(new Replay(await loadMachine(name)), defaultSettings()), true);

for (const name of machineNames) {
  test(name, async () => {
    assert.equal(await shown(name), await readFile(join(machinesFolder, name, 'expected.txt'), 'utf8'));
  });
}

test('machines of all kinds are recorded, and the README says how each was made', async () => {
  assert.deepEqual(machineNames, [
    'amd-host',
    'arm-server',
    'container-cgroup-v1',
    'container-cgroup-v2',
    'gpu-without-driver',
    'hybrid-laptop',
    'intel-arc-host',
    'nvidia-8-gpus-mig',
    'small-vm',
  ]);
  const readme = await readFile(join(machinesFolder, 'README.md'), 'utf8');
  for (const name of machineNames) {
    assert.match(readme, new RegExp(`^\\| \`${name}\` \\| (?:recorded|made) \\| .{20,} \\|$`, 'm'));
    const first =
      (await readFile(join(machinesFolder, name, 'machine.yaml'), 'utf8')).split('\n', 1)[0] ?? '';
    assert.match(first, /^# (?:Recorded|Made)/);
  }
});
