// Gives the process the name that ps, top and systemctl show.
import { writeFileSync } from 'node:fs';

/**
 * Names this process "muster". Linux calls every Node process "node-MainThread". Writing to this file changes only the
 * name; process.title would overwrite the arguments, which `ps aux` and operators need. On other systems it does nothing:
 * macOS shows the name of the executable file, which is muster. Never throws.
 */
export function setProcessName(): void {
  if (process.platform !== 'linux') return;
  try {
    writeFileSync('/proc/self/comm', 'muster');
  } catch {
    // /proc is not mounted, or a sandbox forbids the write.
  }
}
