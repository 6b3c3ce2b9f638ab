// Reads the newest lines of the roles' logs from the journal and from the file that the settings name.
import type { Role } from '../config/role.ts';
import { unitName } from '../service/scope.ts';
import { localManager } from '../service/target.ts';
import { openSafely } from '../system/safe-open.ts';
import { askProgram } from './checks/ask-program.ts';

export interface LogSource {
  /** Name of the file in the archive. */
  readonly name: string;
  /** Returns the lines, or throws the reason why there are none. */
  read(): Promise<string>;
}

/** Limits for the journal and for a log file. */
const limits = { journalLines: 2_000, journalBytes: 8 * 2 ** 20, fileBytes: 2 * 2 ** 20 };
/** Time to read the journal, in milliseconds. A large journal on a slow disk takes long. */
const journalTimeoutMs = 15_000;

/**
 * Returns the sources of the logs of `roles`. `file` is the setting `log.file`. The log of the requester contains the log
 * of its broker.
 */
export function logSources(roles: readonly Role[], file: string | undefined): LogSource[] {
  const fromFile = file ? [{ name: 'log.txt', read: () => tail(file) }] : [];
  if (localManager() !== 'systemd') return fromFile;
  return [...roles.map(role => ({ name: `journal-${role}.txt`, read: () => journal(role) })), ...fromFile];
}

async function journal(role: Role): Promise<string> {
  const user = process.geteuid?.() === 0 ? [] : ['--user'];
  const unit = ['--unit', unitName(role)];
  const args = [
    ...user,
    ...unit,
    '--lines',
    String(limits.journalLines),
    '--no-pager',
    '--output',
    'short-iso',
    '--quiet',
  ];
  const result = await askProgram('journalctl', args, {
    timeoutMs: journalTimeoutMs,
    outputLimitBytes: limits.journalBytes,
  });
  if (typeof result === 'string') throw new Error(result);
  if (result.status !== 0) throw new Error(`journalctl failed: ${result.stderr.split('\n', 1)[0]}`);
  if (result.stdout.trim() === '')
    throw new Error('the journal has no lines of this unit, or none that this user may read');
  return result.stdout;
}

/** Returns the end of a file, unless somebody else may have planted it. The file may grow meanwhile. */
async function tail(path: string): Promise<string> {
  const file = await openSafely(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, limits.fileBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}
