// `muster probe` shows the hardware and the system of this machine, and can record them.
import { access } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { path } from '../../../config/kind.ts';
import { dataFolder, roleFolder } from '../../../config/paths.ts';
import type { Settings } from '../../../config/settings.ts';
import { type ChosenAddress, chooseAddress } from '../../../host/address.ts';
import { HangLimiter } from '../../../host/inputs/hang-limiter.ts';
import type { Inputs } from '../../../host/inputs/inputs.ts';
import type { Recording } from '../../../host/recording/recording.ts';
import { probeView } from '../../../host/view.ts';
import { formatAs } from '../../../output/data.ts';
import { withShownNames } from '../../../output/member-names.ts';
import { note, print } from '../../../output/terminal.ts';
import { closeWhenInterrupted } from '../../../roles/interruption.ts';
import { ownCommand } from '../../../roles/own-command.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { probeText } from './probe-text.ts';

export const settings = [
  'dataDir',
  'compute.allocatedCapacity.cpu',
  'compute.allocatedCapacity.memory',
  'compute.allocatedCapacity.disk',
  'compute.allocatedCapacity.gpu',
  'node.id',
  'node.labels',
  'node.address',
  'node.cloudMetadata',
  'node.declared.cpu',
  'node.declared.memory',
  'node.declared.disk',
  'node.declared.gpu',
  'node.declared.gpuName',
  'node.declared.gpuMemory',
  'node.nvmlLibrary',
] as const;

export const flags = {
  output: outputFlag('text', 'json', 'yaml'),
  sources: { help: 'also show where each fact comes from, and how long each source took' },
  record: { value: 'FOLDER', kind: path, help: 'also save everything that was read, for --replay' },
  raw: { help: 'keep serial numbers, UUIDs, MAC addresses and host names in the recording' },
  replay: { value: 'FOLDER', kind: path, help: 'show the machine that was recorded there' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster probe --sources', 'also show where each fact comes from'],
  ['muster probe --record machine', 'save the facts for somebody else to look at'],
];

export async function run({ flags: given, load }: Argv<typeof flags>): Promise<number> {
  const { output, sources, record, raw, replay } = given;
  if (record && replay) throw new MusterError('usage', 'a replayed machine cannot be recorded again');
  if (raw && !record)
    throw new MusterError('usage', '--raw needs --record FOLDER: it chooses what is recorded');
  const { settings } = await load({ skipUnreadable: true });
  const { inputs, close } = replay ? await recorded(replay) : await thisMachine(settings);
  closeWhenInterrupted(close);
  const { Recorder } = await import('../../../host/recording/recorder.ts');
  const recorder = new Recorder(inputs);
  try {
    const view = await probeView(
      record ? recorder : inputs,
      settings,
      replay ? undefined : ownAddress(settings),
    );
    let file: string | undefined;
    try {
      // The recording is saved first, because printing ends the process when the reader of the output has gone away.
      if (record) file = await save(record, recorder.recording(raw));
    } finally {
      print(await formatAs(output, withShownNames(view), () => probeText(view, sources)));
    }
    if (file) note(`recorded in ${file}; read it before you pass it on`);
    return view.problems.length > 0 ? 2 : 0;
  } finally {
    close();
  }
}

/** Returns the address that an agent would show; a running one takes that from which it reaches its broker. */
const ownAddress = ({ node }: Pick<Settings, 'node'>): ChosenAddress =>
  chooseAddress({ wanted: node.address, local: undefined, brokerHosts: [], interfaces: networkInterfaces() });

async function save(folder: string, recording: Recording): Promise<string> {
  const { saveRecording } = await import('../../../host/recording/recording.ts');
  return saveRecording(folder, recording);
}

interface Opened {
  inputs: Inputs;
  close(): void;
}

async function recorded(folder: string): Promise<Opened> {
  const { openRecording } = await import('../../../host/recording/recording.ts');
  const { Replay } = await import('../../../host/recording/replay.ts');
  return { inputs: new Replay(await openRecording(folder)), close: () => undefined };
}

async function thisMachine(settings: Pick<Settings, 'dataDir' | 'node'>): Promise<Opened> {
  const { SystemInputs } = await import('../../../host/inputs/system-inputs.ts');
  const { readCircumstances, readOnlyCrashGuard } = await import('../../../host/gpu/crash-guard.ts');
  const data = await dataFolderOrRoot(settings);
  const inputs: Inputs & Pick<Opened, 'close'> = new SystemInputs({
    folder: await existing(data),
    inventoryCommand: ownCommand('inventory-child'),
    nvmlLibrary: settings.node.nvmlLibrary,
    guard: readOnlyCrashGuard(roleFolder(data, 'agent'), () => readCircumstances(inputs)),
  });
  return { inputs, close: () => inputs.close() };
}

/** Returns the data folder, whose disk is shown. For a user without a home folder it is the root folder. */
async function dataFolderOrRoot(settings: Pick<Settings, 'dataDir'>): Promise<string> {
  try {
    return await dataFolder(settings);
  } catch (error) {
    if (error instanceof MusterError && error.code === 'bad_config') return '/';
    throw error;
  }
}

/**
 * Returns `folder`, or the nearest existing folder above it: before the first start there is no data folder. A folder
 * that does not answer in time counts as existing.
 */
async function existing(folder: string): Promise<string> {
  const { fault } = await new HangLimiter({ timeoutMs: 1000, maxHung: 1 }).ask(folder, () => access(folder));
  return !fault || fault.kind === 'late' || dirname(folder) === folder ? folder : existing(dirname(folder));
}
