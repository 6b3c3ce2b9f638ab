// Runs an agent for a simulated day with the real native probe. Soon after its start the NVIDIA library begins to hang, and
// so do some files, by hanging-files.c. Arguments: a folder, and the path of the library.
import { unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SystemInputs } from '../../agent/host/inputs/system-inputs.ts';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { oneDay } from '../compute/one-day.ts';

const loaded = loadProbe();
if (!loaded.probe) throw new Error(`the native probe ${loaded.reason}`);
const native = loaded.probe;

/**
 * Whether the native probe has given up the call that hangs. Until then it takes real time to answer; from then on it
 * answers at once.
 */
let hangs = false;
const gpusNvml: typeof native.gpusNvml = async options => {
  const report = await native.gpusNvml(options);
  if (report.state === 'hung') hangs = true;
  return report;
};

// The fake clock waits for these answers. Otherwise, on a busy machine, it would reach the agent's own time limit first.
// Node does not list the writing of the crash guard's mark among its resources, so the clock cannot wait for that by
// itself.
let pending = 0;
const { nvml } = SystemInputs.prototype;
SystemInputs.prototype.nvml = function () {
  pending++;
  return nvml.call(this).finally(() => {
    pending--;
  });
};

const [, , folder = '', nvmlLibrary] = process.argv;
const release = process.env.RELEASE ?? '';

writeFileSync(release, '');
const day = await oneDay(
  {
    folder,
    nvmlLibrary,
    probe: { ...loaded, probe: { ...native, gpusNvml } },
    inventoryCommand: { command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] },
  },
  {
    // SystemInputs allows this many calls that hang.
    hungFiles: 2,
    isAnswerPending: () => hangs && pending > 0,
    async prepare(survey) {
      while (survey.info().ComputeNodeInfo.MaxCapacity.GPU !== 1) await pause(5);
      process.env.FAKE_NVML += ' hang=nvmlInit_v2 until=/never';
      unlinkSync(release);
    },
  },
);
console.log(JSON.stringify(day));
native.exitNow(0);
