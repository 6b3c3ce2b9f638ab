// The newest lines of the roles' logs, where they can be found: in the journal, and in the file that the settings name.
import { open } from 'node:fs/promises';
import type { Role } from '../config/role.ts';
import { unitName } from '../service/scope.ts';
import { localManager } from '../service/target.ts';
import { askProgram } from './checks/ask-program.ts';

export interface LogSource {
  /** The file's name in the archive. */
  readonly name: string;
  /** Throws where there is none, with a sentence's end. */
  read(): Promise<string>;
}

/** Lines of the journal, and bytes of a file; the journal's own lines may be long. */
const most = { lines: 2_000, bytes: 2 * 2 ** 20, journal: 8 * 2 ** 20 };
/** Milliseconds: a large journal on a slow disk takes its time. */
const journalTimeoutMs = 15_000;

/** `file` is `log.file`. The broker's own lines are in the requester's log. */
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
    String(most.lines),
    '--no-pager',
    '--output',
    'short-iso',
    '--quiet',
  ];
  const said = await askProgram('journalctl', args, {
    timeoutMs: journalTimeoutMs,
    outputLimitBytes: most.journal,
  });
  if (typeof said === 'string') throw new Error(said);
  if (said.status !== 0) throw new Error(`journalctl failed: ${said.stderr.split('\n', 1)[0]}`);
  if (said.stdout.trim() === '')
    throw new Error('the journal has no lines of it, or none that this user may read');
  return said.stdout;
}

/** The end of a file, which may be written to meanwhile. */
async function tail(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, most.bytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}
