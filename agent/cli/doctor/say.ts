// What a program of the system's says, asked with a deadline, without a shell, and without our environment.
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';

export interface Said {
  /** Its exit code; null when it was ended, by the deadline as a rule. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds. */
const deadline = 5_000;

/** Runs the first of `paths` that is there; undefined when none is. `limit` is for what it says, in bytes. Never throws. */
export async function say(
  paths: readonly string[],
  args: readonly string[],
  limit = 65_536,
): Promise<Said | undefined> {
  for (const path of paths) {
    if (await isProgram(path)) return run(path, args, limit);
  }
  return undefined;
}

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

function run(path: string, args: readonly string[], limit: number): Promise<Said> {
  const options = {
    timeout: deadline,
    killSignal: 'SIGKILL',
    maxBuffer: limit,
    cwd: '/',
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      SYSTEMD_COLORS: '0',
      SYSTEMD_PAGER: '',
      // Where a user's own systemd answers.
      XDG_RUNTIME_DIR: `/run/user/${process.geteuid?.()}`,
    },
  } as const;
  return new Promise(resolve => {
    execFile(path, args, options, (error, stdout, stderr) => {
      const code = error?.code;
      resolve({ status: error ? (typeof code === 'number' ? code : null) : 0, stdout, stderr });
    });
  });
}
