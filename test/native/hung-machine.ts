// Runs an agent for a simulated day with the real native probe. Soon after its start the NVIDIA library hangs, and the files that
// hanging-files.c makes hang. Arguments: a folder, and the path of the library.
import { unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { oneDay } from '../compute/one-day.ts';

const [, , folder = '', nvmlLibrary] = process.argv;
const release = process.env.RELEASE ?? '';

writeFileSync(release, '');
const day = await oneDay(
  {
    folder,
    nvmlLibrary,
    inventoryCommand: { command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] },
  },
  {
    // As many as SystemInputs allows.
    hungFiles: 2,
    async prepare(survey) {
      while (survey.info().ComputeNodeInfo.MaxCapacity.GPU !== 1) await pause(5);
      process.env.FAKE_NVML += ' hang=nvmlInit_v2 until=/never';
      unlinkSync(release);
    },
  },
);
console.log(JSON.stringify(day));
loadProbe().probe?.exitNow(0);
