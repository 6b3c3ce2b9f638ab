// This process runs an agent for a day on a machine whose native probe never answers and whose inventory never ends.
// Argument: the agent's folder.
import { oneDay } from './one-day.ts';

const asked = { disk: 0, gpusNvml: 0 };
const never = (what: keyof typeof asked) => () => {
  asked[what]++;
  return new Promise<never>(() => undefined);
};
const figures = { memoryTotal: 0, swapTotal: 0, swapFree: 0, load1: 0, load5: 0, load15: 0, uptime: 0 };
const probe = {
  sample: () => figures,
  cgroup: () => ({}),
  disk: never('disk'),
  gpusNvml: never('gpusNvml'),
  nvmlFigures: async () => null,
  notify: () => false,
  giveBackFreed: () => undefined,
  giveBackGarbage: () => undefined,
  giveBackProgram: () => undefined,
  exitNow: () => {
    throw new Error('exitNow must not be called');
  },
};

const day = await oneDay({
  folder: process.argv[2] ?? '',
  inventoryCommand: { command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] },
  probe: { probe, path: 'fake' },
});
console.log(JSON.stringify({ ...day, asked }));
