// Finds files and folders that root refuses to use, because somebody else may change them and would so act as root.
import { join } from 'node:path';
import { formatPlaces, type LoadedSettings } from '../config/load.ts';
import { roleFolder } from '../config/paths.ts';
import type { Role } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { describeWriter, findOtherWriter, writerRemedy } from '../system/path-trust.ts';

/** Folders of the system for programs and for libraries. */
const usualPlaces = { 'broker.binary': '/usr/local/bin', 'node.nvmlLibrary': '/usr/local/lib' } as const;

/** Returns whether root runs this process. Only root refuses; another user gets a warning. */
export const isRoot = (): boolean => process.geteuid?.() === 0;

/**
 * Returns a line for each program and library in the settings that somebody else than root and this user may change, and
 * that `role` would run, or any role when it is undefined. A line begins with the place of its setting.
 */
export async function refusedFileLines(
  role: Role | undefined,
  { settings: { broker, nats, node }, origin }: Pick<LoadedSettings, 'settings' | 'origin'>,
): Promise<string[]> {
  const named = [
    ['broker.binary', role !== 'agent' && nats.servers.length === 0 ? broker.binary : undefined],
    ['node.nvmlLibrary', role !== 'requester' ? node.nvmlLibrary : undefined],
  ] as const;
  const lines: string[] = [];
  for (const [key, file] of named) {
    // A name without a folder is searched by the system, which looks only in folders of root.
    if (!file?.includes('/')) continue;
    const writer = await findOtherWriter(file).catch(() => undefined);
    if (!writer) continue;
    const refusal = isRoot() ? 'root does not run' : 'others may change';
    const text = `${key}: ${refusal} ${file}, because ${describeWriter(writer)}`;
    lines.push(`${formatPlaces([key], origin)}${text}; ${writerRemedy(file, writer, usualPlaces[key])}`);
  }
  return lines;
}

/** Throws MusterError `bad_config` when root runs this process and somebody else may change what `role` would run. */
export async function refuseSharedFiles(role: Role, loaded: LoadedSettings): Promise<void> {
  const lines = isRoot() ? await refusedFileLines(role, loaded) : [];
  if (lines.length > 0) throw new MusterError('bad_config', lines.join('\n'));
}

/**
 * Throws MusterError `bad_config` when root runs this process and somebody else may change the data folder, or a folder of
 * `role` in it. Such a user could plant links there, which root would follow. A folder that does not exist is no reason.
 */
export async function refuseSharedFolders(role: Role, data: string): Promise<void> {
  if (!isRoot()) return;
  for (const folder of foldersOf(role, data)) {
    const writer = await findOtherWriter(folder);
    if (!writer) continue;
    throw new MusterError(
      'bad_config',
      `root does not run the ${role} in ${folder}, because ${describeWriter(writer)}`,
      {
        hint: writer.byMode
          ? writerRemedy(folder, writer, '/var/lib')
          : `run it as user ${writer.uid}, or choose another folder with --data-dir`,
      },
    );
  }
}

/** Returns a warning when somebody else may change the data folder of this user; undefined when nobody else may. */
export async function warnOfSharedFolder(role: Role, data: string): Promise<string | undefined> {
  // For root, `refuseSharedFolders` has looked at it.
  if (isRoot()) return undefined;
  const writer = await findOtherWriter(roleFolder(data, role)).catch(() => undefined);
  if (!writer) return undefined;
  return `others may change the state in ${data}: ${describeWriter(writer)}; ${writerRemedy(data, writer, '/var/lib')}`;
}

function foldersOf(role: Role, data: string): string[] {
  const broker = roleFolder(data, 'broker');
  return role === 'agent'
    ? [roleFolder(data, 'agent')]
    : [roleFolder(data, role), broker, join(broker, 'store'), join(broker, 'bin')];
}
