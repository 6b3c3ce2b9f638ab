// Checks the configuration that a service will read, before the service is installed.
import { readdir, readFile, stat } from 'node:fs/promises';
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import type { Inspection } from '../../../service/plan.ts';
import { whyNotWritable, widensSandbox } from '../../../service/sandbox.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { MusterError } from '../../../system/errors.ts';
import { escapeText } from '../../../system/escape.ts';
import { printable } from '../../../system/printable.ts';

/** Warns about each fault, and returns whether the service would start. When there is no file, there is no fault. */
export async function checkServiceConfig(
  { manager, scope, prefix, paths }: ServiceTarget,
  role: Role,
  inspection: Inspection,
  warn: (text: string) => void,
): Promise<boolean> {
  const { config, unit, dropIns } = paths(role);
  if (inspection.files.get(config)?.kind !== 'text') return true;
  const isSandboxed = manager === 'systemd' && scope === 'system';
  if (isSandboxed) await warnIfUnreadable(config, prefix, warn);
  try {
    const { settings } = await loadSettings({ configFile: prefix + config, role });
    const reason = isSandboxed && settings.dataDir && whyNotWritable(role, settings.dataDir);
    if (reason && !(await isWidened(prefix + unit, dropIns && prefix + dropIns))) warn(escapeText(reason));
    return true;
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    for (const line of error.message.split('\n')) warn(printable(line, 4096));
    return false;
  }
}

async function warnIfUnreadable(path: string, prefix: string, warn: (text: string) => void): Promise<void> {
  const { mode, gid } = await stat(prefix + path);
  // The user of the service is not in root's group.
  const isReadable = (mode & 0o004) !== 0 || ((mode & 0o040) !== 0 && gid !== 0);
  if (isReadable) return;
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  warn(
    escapeText(
      `not every user can read ${path} (mode ${octal}), and the service runs as the user muster: chmod 644 it, and keep secrets in /etc/credstore`,
    ),
  );
}

/**
 * Returns whether the operator allowed the service to write to more folders, in the unit or in a drop-in. Only the start
 * of the service shows whether that is enough.
 */
async function isWidened(unit: string, dropIns: string | undefined): Promise<boolean> {
  const names = dropIns === undefined ? [] : await readdir(dropIns).catch(() => []);
  const paths = [unit, ...names.filter(name => name.endsWith('.conf')).map(name => `${dropIns}/${name}`)];
  const texts = await Promise.all(paths.map(path => readFile(path, 'utf8').catch(() => '')));
  return texts.some(widensSandbox);
}
