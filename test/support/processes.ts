// Asks the system about processes.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Returns whether a process runs. A zombie, which has ended and waits for its parent, does not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

/** Returns the processes whose command line contains `text`, one line for each, with id and command line. */
export function processesNaming(text: string): Promise<string> {
  return new Promise(resolve => {
    execFile('/bin/ps', ['-eo', 'pid=,args='], (_error, stdout) => {
      resolve(
        stdout
          .split('\n')
          .filter(line => line.includes(text))
          .join('\n'),
      );
    });
  });
}
