// Runs every check, and sends the results to the process of `muster doctor`. The hidden command `doctor-checks` calls this.
import type { LoadedSettings, LoadOptions } from '../config/load.ts';
import { roleFolder } from '../config/paths.ts';
import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import { readCircumstances, readOnlyCrashGuard } from '../host/gpu/crash-guard.ts';
import { type Inputs, wrapInputs } from '../host/inputs/inputs.ts';
import { SystemInputs } from '../host/inputs/system-inputs.ts';
import { Recorder } from '../host/recording/recorder.ts';
import { type ProbeView, probeView } from '../host/view.ts';
import { closeWhenInterrupted } from '../roles/interruption.ts';
import { ownCommand } from '../roles/own-command.ts';
import { checkRoleRequirements } from '../roles/role-requirements.ts';
import { configOfUserService } from '../service/user-config.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { checkAccess } from '../transport/access-check.ts';
import { type BundleOptions, collectBundleFiles } from './bundle-files.ts';
import { sendToParent } from './check-messages.ts';
import { createChecks, createChecksWithoutSettings } from './checks/all.ts';
import { findBrokerAccess } from './checks/broker-access.ts';
import { type Check, runChecks, withTimeout } from './checks/check.ts';
import { createContext } from './checks/context.ts';
import { nearestExistingFolder } from './checks/folders.ts';
import { findLocalRoles, type LocalRoles } from './local-roles.ts';

export interface AllChecksOptions {
  /** The role to check; undefined means every role that was set up here. */
  role: Role | undefined;
  /** Whether to send the files of a fault report too. */
  bundle: boolean;
  /** The value of `--config`. */
  configFile: string | undefined;
  load(
    options: Pick<LoadOptions, 'skipUnreadable' | 'configFile' | 'findMoreConflicts' | 'role'>,
  ): Promise<LoadedSettings>;
}

const brokerTimeoutMs = 5_000;
const diskTimeoutMs = 2_000;
/** Name of the stream with the roll, which every requester makes. */
const rollStream = 'KV_node_v1';

/** Runs the checks. Resolves when all results are sent. A fault of the configuration is a result, too. */
export async function runAllChecks(options: AllChecksOptions): Promise<void> {
  const loaded = await load(options);
  if ('thrown' in loaded) {
    const roles: Role[] = [options.role ?? 'agent'];
    await runAndSend({ roles }, createChecksWithoutSettings(loaded.thrown, roles));
    if (options.bundle) await sendBundle({ roles, context: undefined, recording: noRecording });
  } else {
    await runWithSettings(loaded, options.bundle);
  }
  await sendToParent({ done: true });
}

interface Loaded {
  readonly settings: LoadedSettings;
  readonly local: LocalRoles;
}

async function load({ role, configFile, load }: AllChecksOptions): Promise<Loaded | { thrown: unknown }> {
  try {
    const findMoreConflicts = (settings: Settings) => checkRoleRequirements(role, settings);
    // A file named on the command line is used instead of the file that this user's service reads.
    const ofService = configFile === undefined ? await configOfUserService() : {};
    const all = { skipUnreadable: true, findMoreConflicts, role, ...ofService };
    const settings = await load(all);
    const local = await findLocalRoles(settings.settings, role);
    // The settings name the folder in which the roles are found, so only now it is known who reads them.
    const [only, another] = local.roles;
    if (role !== undefined || another !== undefined) return { settings, local };
    return { settings: await load({ ...all, role: only }), local };
  } catch (thrown) {
    if (!(thrown instanceof MusterError)) throw thrown;
    return { thrown };
  }
}

async function runWithSettings({ settings: loaded, local }: Loaded, bundle: boolean): Promise<void> {
  const { settings } = loaded;
  const { data, roles } = local;
  const readMachine = machineReader(data, settings, bundle);
  const context = createContext({
    loaded,
    data,
    roles,
    broker: async (role, running) =>
      findBrokerAccess(role, settings, name => roleFolder(data, name), {
        brokerUrl: role === 'requester' ? (await running().catch(() => undefined))?.brokerUrl : undefined,
      }),
    checkAccess: access =>
      checkAccess({ ...access, name: access.node?.name, timeoutMs: brokerTimeoutMs, stream: rollStream }),
    machine: async () => (await readMachine()).view,
  });
  const recording = async () => (await readMachine()).recorder.recording();
  await runAndSend({ roles, data }, createChecks(context));
  if (bundle) await sendBundle({ roles, context, recording });
}

async function runAndSend(
  about: { roles: readonly Role[]; data?: string },
  checks: readonly Check[],
): Promise<void> {
  await sendToParent({ plan: { ...about, checks: checks.map(({ name }) => name) } });
  const sending: Promise<void>[] = [];
  await runChecks(checks, systemClock, result => sending.push(sendToParent({ result })));
  await Promise.all(sending);
}

/** Collects the files of a fault report, and waits until all of them are sent. */
async function sendBundle(options: Omit<BundleOptions, 'onFile' | 'onOmitted'>): Promise<void> {
  const sending: Promise<void>[] = [];
  await collectBundleFiles({
    ...options,
    onFile: file => sending.push(sendToParent({ file })),
    onOmitted: omitted => sending.push(sendToParent({ omitted })),
  });
  await Promise.all(sending);
}

const noRecording = () => Promise.reject(new Error('the machine was not asked'));

/** Returns a function that reads the machine at the first call, and returns the same result at later calls. */
function machineReader(data: string, settings: Settings, inventory: boolean) {
  let reading: Promise<{ view: ProbeView; recorder: Recorder }> | undefined;
  const read = async () => {
    const folder = await withTimeout(systemClock, diskTimeoutMs, nearestExistingFolder(data));
    const inputs: SystemInputs = new SystemInputs({
      folder: folder ?? '/',
      inventoryCommand: ownCommand('inventory-child'),
      nvmlLibrary: settings.node.nvmlLibrary,
      guard: readOnlyCrashGuard(roleFolder(data, 'agent'), () => readCircumstances(inputs)),
    });
    closeWhenInterrupted(() => inputs.close());
    const recorder = new Recorder(inventory ? inputs : withoutInventory(inputs));
    return { view: await probeView(recorder, settings), recorder };
  };
  return () => {
    reading ??= read();
    return reading;
  };
}

/**
 * Returns inputs that do not take the inventory. No check needs it, and it takes longer than everything else together.
 */
const withoutInventory = (inputs: Inputs): Inputs => ({
  ...wrapInputs(inputs, ask => ask()),
  inventory: async () => ({ fault: { kind: 'absent', reason: 'was not asked' }, took: 0 }),
});
