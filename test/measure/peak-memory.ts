// Writes the largest memory that the process ever had, in bytes, to the file named in PEAK_MEMORY. `node --import` loads this
// file.
import { writeFileSync } from 'node:fs';

process.on('exit', () =>
  writeFileSync(process.env.PEAK_MEMORY ?? '', String(process.resourceUsage().maxRSS * 1024)),
);
