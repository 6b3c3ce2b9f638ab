// The hidden command that looks at everything for `muster doctor`, and tells it line by line what it found.
import type { LoadedSettings } from '../../config/load.ts';
import { roleFolder } from '../../config/paths.ts';
import type { Role } from '../../config/role.ts';
import type { Settings } from '../../config/settings.ts';
import { gather } from '../../doctor/bundle-files.ts';
import { type Gathered, type LeftOut, tellParent } from '../../doctor/check-messages.ts';
import { checksOf, checksWithoutSettings } from '../../doctor/checks/all.ts';
import { brokerAccess } from '../../doctor/checks/broker-access.ts';
import { type Check, runChecks, within } from '../../doctor/checks/check.ts';
import { makeContext } from '../../doctor/checks/context.ts';
import { nearestThere } from '../../doctor/checks/folders.ts';
import { type Whereabouts, whereabouts } from '../../doctor/local-roles.ts';
import { readCircumstances, readOnlyCrashGuard } from '../../host/gpu/crash-guard.ts';
import { around, type Inputs } from '../../host/inputs/inputs.ts';
import { SystemInputs } from '../../host/inputs/system-inputs.ts';
import { Recorder } from '../../host/recording/recorder.ts';
import { type ProbeView, probeView } from '../../host/view.ts';
import { closeWhenInterrupted } from '../../roles/interruption.ts';
import { selfCommand } from '../../roles/own-command.ts';
import { roleRefusals } from '../../roles/role-requirements.ts';
import { configOfOwnService } from '../../service/user-config.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { examine } from '../../transport/examine.ts';
import type { Argv } from '../line/command.ts';
import type { flags } from './doctor.ts';

export { flags, settings } from './doctor.ts';

/** Milliseconds for one broker. */
const brokerTimeout = 5_000;
/** Milliseconds for what the data folder says, before anything else is looked at. */
const diskTimeout = 2_000;
/** Any stream that a requester makes: that of the roll. */
const stream = 'KV_node_v1';

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { role, bundle } = argv.flags;
  const loaded = await load(argv, role);
  if ('thrown' in loaded) {
    const roles: Role[] = [role ?? 'agent'];
    await look({ roles }, checksWithoutSettings(loaded.thrown, roles));
    if (bundle)
      await tellAll(telling => gather({ roles, context: undefined, recording: nothing, ...telling }));
  } else {
    await lookAround(loaded, bundle !== undefined);
  }
  await tellParent({ ended: true });
  return 0;
}

async function lookAround({ settings: loaded, where }: Loaded, bundle: boolean): Promise<void> {
  const { settings } = loaded;
  const { data, roles } = where;
  const asked = askMachine(data, settings, bundle);
  const context = makeContext({
    loaded,
    data,
    roles,
    broker: role => brokerAccess(role, settings, roleFolder(data, 'broker')),
    examine: access => examine({ ...access, timeout: brokerTimeout, stream }),
    machine: async () => (await asked()).view,
  });
  const recording = async () => (await asked()).recorder.recording();
  await look({ roles, data }, checksOf(context));
  if (bundle) await tellAll(telling => gather({ roles, context, recording, ...telling }));
}

const nothing = () => Promise.reject(new Error('the machine was not asked'));

/** Runs `work`, and waits until all that it tells has been read. */
async function tellAll(
  work: (telling: { gathered(file: Gathered): void; leftOut(what: LeftOut): void }) => Promise<void>,
): Promise<void> {
  const telling: Promise<void>[] = [];
  await work({
    gathered: gathered => telling.push(tellParent({ gathered })),
    leftOut: leftOut => telling.push(tellParent({ leftOut })),
  });
  await Promise.all(telling);
}

interface Loaded {
  readonly settings: LoadedSettings;
  readonly where: Whereabouts;
}

async function load(argv: Argv<typeof flags>, role: Role | undefined): Promise<Loaded | { thrown: unknown }> {
  try {
    const alsoCheck = (settings: Settings) => roleRefusals(role, settings);
    // What is named on the command line goes before what the service of this user reads.
    const own = argv.config === undefined ? await configOfOwnService() : {};
    const settings = await argv.load({ skipUnreadable: true, alsoCheck, ...own });
    return { settings, where: await whereabouts(settings.settings, role) };
  } catch (thrown) {
    if (!(thrown instanceof MusterError)) throw thrown;
    return { thrown };
  }
}

/** Asks the machine once, when it is first wanted, and remembers what it said. */
function askMachine(data: string, settings: Settings, inventory: boolean) {
  let asked: Promise<{ view: ProbeView; recorder: Recorder }> | undefined;
  const ask = async () => {
    const folder = await within(systemClock, diskTimeout, nearestThere(data));
    const inputs: SystemInputs = new SystemInputs({
      folder: folder ?? '/',
      inventoryCommand: selfCommand('inventory-child'),
      nvmlLibrary: settings.node.nvmlLibrary,
      guard: readOnlyCrashGuard(roleFolder(data, 'agent'), () => readCircumstances(inputs)),
    });
    closeWhenInterrupted(() => inputs.close());
    const recorder = new Recorder(inventory ? inputs : withoutInventory(inputs));
    return { view: await probeView(recorder, settings), recorder };
  };
  return () => {
    asked ??= ask();
    return asked;
  };
}

/** The slow inventory tells nothing that is looked at, and costs more than all the rest. */
const withoutInventory = (inputs: Inputs): Inputs => ({
  ...around(inputs, ask => ask()),
  inventory: async () => ({ fault: { kind: 'absent', reason: 'was not asked' }, took: 0 }),
});

async function look(
  about: { roles: readonly Role[]; data?: string },
  checks: readonly Check[],
): Promise<void> {
  await tellParent({ begun: { ...about, checks: checks.map(({ name }) => name) } });
  const telling: Promise<void>[] = [];
  await runChecks(checks, systemClock, result => telling.push(tellParent({ result })));
  await Promise.all(telling);
}
