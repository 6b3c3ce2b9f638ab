// This helper process writes one file again and again, and reports each write. Folder and size are its arguments.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { MusterError } from '../../agent/system/errors.ts';
import { writeFileAtomic } from '../../agent/system/files.ts';

const [folder = '', size = '0', times = 'Infinity'] = process.argv.slice(2);
try {
  for (let n = 1; n <= Number(times); n++) {
    await writeFileAtomic(join(folder, 'state'), `${n}:${'x'.repeat(Number(size))}:${n}\n`);
    writeSync(1, `${n}\n`);
  }
} catch (error) {
  writeSync(1, error instanceof MusterError ? `${error.code}: ${error.message}\n` : String(error));
}
