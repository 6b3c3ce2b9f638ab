// Finds the join code of an agent that is installed as a service: the operator gives it, or, on the machine of the
// requester, root makes one.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { localApi } from '../../../api/client.ts';
import { clusterFileName } from '../../../compute/registration/cluster-file.ts';
import { readGivenCode } from '../../../compute/registration/given-code.ts';
import { roleFolder, runtimeFolder } from '../../../config/paths.ts';
import type { Role } from '../../../config/role.ts';
import type { Settings } from '../../../config/settings.ts';
import { note, warn } from '../../../output/terminal.ts';
import { joinCodeBounds } from '../../../protocol/http-join-codes.ts';
import type { JoinCode } from '../../../protocol/join-code.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { type Clock, sleep, systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { askCode, otherLogin, refuseOtherLogin } from '../agent/ask-code.ts';

export interface CodeFlags {
  join: boolean;
  'code-file': string | undefined;
  'dry-run': boolean;
}

type FoundCode = { line: string; code: JoinCode };

/**
 * Returns the code; undefined when the agent needs none or gets it later. @throws MusterError `usage` when a code makes no
 * sense here, `bad_config` when the agent would not use it, and as `askCode`.
 */
export async function findCode(
  role: Role,
  target: ServiceTarget,
  { join: asks, 'code-file': file, 'dry-run': dryRun }: CodeFlags,
  load: Argv['load'],
): Promise<FoundCode | undefined> {
  if (asks || file !== undefined) {
    if (role !== 'agent') throw new MusterError('usage', 'only an agent has a join code: --role agent');
    if (target.root !== undefined) throw inImage();
    const { settings } = await load({ skipUnreadable: true, role });
    refuseOtherLogin(settings.nats);
    // Nothing is asked for that is not used.
    if (dryRun) return undefined;
    return askCode({
      file,
      join: settings.join,
      input: process.stdin,
      ask: question => process.stderr.write(question),
      now: systemClock.now(),
    });
  }
  const isForRoot = target.scope === 'system' && target.uid === 0 && target.root === undefined;
  if (role !== 'agent' || dryRun || !isForRoot) return undefined;
  return makeLocalCode(target, load, systemClock);
}

/** Longest wait for a requester that starts, and time between two attempts, in milliseconds. */
const readyTimeoutMs = 20_000;
const attemptIntervalMs = 500;

/**
 * Makes a code for the agent when the requester of its cluster runs on this machine and the agent is not in a cluster yet.
 * A failure is only a warning, because the operator can give a code later.
 */
async function makeLocalCode(
  target: ServiceTarget,
  load: Argv['load'],
  clock: Clock,
): Promise<FoundCode | undefined> {
  const { settings } = await load({ skipUnreadable: true, role: 'agent' });
  if (!(await needsCode(target, settings)) || !(await hasRequester(target, settings))) return undefined;
  try {
    const line = await createWhenReady(load, clock);
    note('The requester runs on this machine, so a join code was made for its agent.');
    return { line, code: readGivenCode(line, 'the requester', clock.now()) };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    warn(printable(`no join code was made for this agent: ${error.message}`, 1024));
    note('Give it one by: sudo muster service install --role agent --join');
    return undefined;
  }
}

/** Returns whether the agent would find no cluster by itself. */
async function needsCode({ prefix, paths }: ServiceTarget, settings: Settings): Promise<boolean> {
  const { nats, join: given } = settings;
  if (otherLogin(nats) !== undefined) return false;
  if (nats.servers.length > 0 || given.code !== undefined || given.codeFile !== undefined) return false;
  const { joinCode, dataFolder } = paths('agent');
  const file = join(roleFolder(settings.dataDir ?? prefix + dataFolder, 'agent'), clusterFileName);
  return !(await exists(file)) && !(joinCode && (await exists(prefix + joinCode)));
}

/** Returns whether a requester runs here, or is a service that starts now. */
async function hasRequester(
  { prefix, paths, managerProgram }: ServiceTarget,
  { dataDir }: Settings,
): Promise<boolean> {
  const { name, dataFolder } = paths('requester');
  const service = await managerProgram?.state(name).catch(() => undefined);
  if (service?.state === 'running' || service?.state === 'starting') return true;
  const folder = runtimeFolder(dataDir ?? prefix + dataFolder, 'requester');
  return (await askHolder(folder, { command: 'status' }).catch(() => undefined)) !== undefined;
}

async function createWhenReady(load: Argv['load'], clock: Clock): Promise<string> {
  const began = clock.monotonic();
  for (;;) {
    try {
      const api = localApi((await load({ skipUnreadable: true })).settings);
      return (await api.joinCodes.create({ ...usualCode, Actor: actor() })).Code;
    } catch (error) {
      const mayPass = error instanceof MusterError && error.code === 'unreachable';
      if (!mayPass || clock.monotonic() - began > readyTimeoutMs) throw error;
      await sleep(clock, attemptIntervalMs);
    }
  }
}

const usualCode = {
  ExpiresInSeconds: joinCodeBounds.usualSeconds,
  Uses: 1,
  Approve: false,
  Labels: {},
  Network: '',
} as const;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const inImage = (): MusterError =>
  new MusterError('usage', 'a join code in an image would be copied with it', {
    hint: 'leave --root or the code out; on the machine: muster service install --role agent --join',
  });
