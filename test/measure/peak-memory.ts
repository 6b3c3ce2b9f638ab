// Writes the largest memory that the process ever had, in bytes, to the file named in PEAK_MEMORY. `node --import` loads this
// file.
import { readFileSync, writeFileSync } from 'node:fs';

process.on('exit', () => writeFileSync(process.env.PEAK_MEMORY ?? '', String(peakBytes())));

/** `process.resourceUsage().maxRSS` would not do: after vfork(2), it counts the memory of the process that started this one. */
function peakBytes(): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
