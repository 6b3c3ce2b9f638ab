// Boots a real systemd in a container over this machine's own files, for tests of units. It needs Linux and root.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { findProgram } from './find-program.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

const run = promisify(execFile);
const script = fileURLToPath(new URL('./boot-systemd.sh', import.meta.url));
/** The exit code of the script when this machine does not allow to boot systemd. */
const notAllowed = 125;
const oldest = 252;

/** Returns why no systemd for these units can be booted here; undefined when it can be tried. */
export async function whyNoSystemd(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'systemd is part of Linux';
  if (process.getuid?.() !== 0) return 'only root can boot a container with systemd';
  for (const name of ['systemd-nspawn', 'unshare', 'nsenter', 'setpriv', 'mount', 'pgrep', 'kill']) {
    const found = await findProgram(name).catch(() => undefined);
    if (!found) return `${name} is missing here (apt-get install systemd-container util-linux mount procps)`;
  }
  try {
    await run('unshare', ['--mount', '--propagation', 'private', 'true']);
  } catch (error) {
    return `a mount namespace cannot be made here: ${(error as { stderr?: string }).stderr?.trim()}`;
  }
  const { stdout } = await run('systemd-nspawn', ['--version']);
  const version = Number(/^systemd (\d+)/.exec(stdout)?.[1]);
  return version >= oldest
    ? undefined
    : `systemd ${version} is older than ${oldest}, which the units are for`;
}

export class BootedSystemd {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = '';
  #leader = 0;

  /**
   * Boots systemd. `folders` maps paths in the container to folders of this machine, which it can read. Returns a sentence
   * with the reason when this machine does not allow it.
   * @throws Error when systemd was started but did not finish booting.
   */
  static async boot(folders: Record<string, string>): Promise<BootedSystemd | string> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-systemd-'));
    const binds = Object.entries(folders).map(([at, path]) => `--bind-ro=${path}:${at}`);
    const booted = new BootedSystemd(folder, binds);
    try {
      await booted.#up();
      booted.#holdProcess(false);
      return booted;
    } catch (error) {
      const code = await booted.halt();
      if (code !== notAllowed) throw error;
      return `a container cannot be booted here: ${booted.#output.trim().split('\n').join('; ')}`;
    }
  }

  private constructor(folder: string, binds: string[]) {
    this.#folder = folder;
    // The container ends when this process ends in any way.
    const args = ['--pdeathsig', 'TERM', 'unshare', '--mount', '--propagation', 'private'];
    this.#child = spawn('setpriv', [...args, script, folder, ...binds], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C in the terminal shall reach only the test runner.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    }
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  /** Returns the folder on this machine that has the files written in the container, but not the machine's own files. */
  get written(): string {
    return `/proc/${this.#child.pid}/root${this.#folder}/memory/upper`;
  }

  /** Runs a program in the container, as root, to its end. */
  run(program: string, ...args: string[]): Promise<Ran> {
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };
    const all = ['-t', String(this.#leader), '-m', '-u', '-i', '-n', '-p', '-C', '--', program, ...args];
    return new Promise(resolve => {
      const child = execFile('nsenter', all, { env, maxBuffer: 16 << 20 }, (_, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
    });
  }

  /** Runs a program and returns what it printed. Rejects with its output when its exit code is not 0. */
  async ok(program: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, ...args);
    if (code !== 0) throw new Error(`${[program, ...args].join(' ')}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Writes a file in the container, and makes its folders. */
  async write(path: string, text: string, mode = 0o644): Promise<void> {
    const inside = `/proc/${this.#leader}/root${path}`;
    await mkdir(dirname(inside), { recursive: true });
    await writeFile(inside, text);
    await chmod(inside, mode);
  }

  /** Returns one property of a unit, as `systemctl show` prints it. */
  show(unit: string, property: string): Promise<string> {
    return this.ok('systemctl', 'show', '--property', property, '--value', unit);
  }

  /** Returns the journal's entries since a moment that match, such as `--unit=NAME`. */
  async journal(since: Date, ...matches: string[]): Promise<Record<string, unknown>[]> {
    // After this, the journal contains everything that was written before.
    await this.ok('journalctl', '--sync');
    const from = `--since=@${since.getTime() / 1000}`;
    const text = await this.ok('journalctl', '--no-pager', '--output=json', '--all', from, ...matches);
    return text
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>);
  }

  /** Reboots the container. Its files stay. */
  async reboot(): Promise<void> {
    const before = this.#leader;
    await this.run('systemctl', 'reboot');
    await eventually('the container goes down', async () => (await this.#findLeader()) !== before);
    await this.#up();
  }

  /** Ends the container and removes all its files. Returns the exit code of the script. */
  async halt(): Promise<number | null> {
    this.#holdProcess(true);
    this.#child.kill('SIGTERM');
    const code = await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
    return code;
  }

  // A test file that does not use it must be able to end.
  #holdProcess(hold: boolean): void {
    for (const each of [this.#child, this.#child.stdout as Socket, this.#child.stderr as Socket]) {
      if (hold) each.ref();
      else each.unref();
    }
  }

  async #up(): Promise<void> {
    let state = '';
    await eventually('systemd is up', async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`the container has ended:\n${this.#output}`);
      this.#leader = await this.#findLeader();
      if (this.#leader !== 0) state = (await this.run('systemctl', 'is-active', 'multi-user.target')).stdout;
      return state === 'active\n';
    });
  }

  // Finds the process that has the id 1 in the container: nspawn's child, or that one's child.
  async #findLeader(): Promise<number> {
    const folder = this.#folder;
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
      if (!/^NSpid:\t\d+\t1$/m.test(status)) continue;
      const mounts = await readFile(`/proc/${name}/mountinfo`, 'utf8').catch(() => '');
      if (mounts.includes(`upperdir=${folder}/`)) return Number(name);
    }
    return 0;
  }
}
