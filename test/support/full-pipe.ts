// Makes a pipe that is full: it has a reader, which never reads.
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../../agent/system/errors.ts';

/** Makes the pipe in `folder`. `fd` is its writing end. */
export async function fullPipe(folder: string): Promise<{ fd: number; close(): void }> {
  const path = join(folder, 'full-pipe');
  await promisify(execFile)('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  for (const size of [65_536, 4_096, 1]) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(size));
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
    }
  }
  return {
    fd,
    close() {
      closeSync(fd);
      closeSync(reader);
    },
  };
}
