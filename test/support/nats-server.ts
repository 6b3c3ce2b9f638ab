// Runs a real nats-server on a free port, with its own folder. A test can kill, suspend, restart and wipe it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './listener.ts';

export interface NatsServerOptions {
  /** More lines for the server's configuration, such as `authorization { token: "t" }`. */
  config?: string;
  /** Whether it has JetStream; the default is yes. */
  jetstream?: boolean;
  /** Whether it writes each message to the disk at once, as the requester's own broker does; the default is no. */
  isSynced?: boolean;
  /** The scheme of `url`. */
  scheme?: 'nats' | 'tls';
  /** Its port; the default is a free one. */
  port?: number;
}

export class NatsServer {
  readonly folder: string;
  readonly #options: NatsServerOptions;
  #config: string;
  readonly #port: number;
  #process: ChildProcess | undefined;

  constructor(folder: string, port: number, options: NatsServerOptions) {
    this.folder = folder;
    this.#options = options;
    this.#config = options.config ?? '';
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.scheme ?? 'nats'}://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('nats-server is not running');
    return pid;
  }

  /**
   * Starts the server, each time on the same port. Resolves when clients can connect. `config` replaces the additional
   * lines. With `writesLog` it writes its log into a file, so it cannot be waited for.
   */
  async start(config = this.#config, writesLog = false): Promise<void> {
    this.#config = config;
    const file = join(this.folder, 'server.conf');
    const store = `store_dir: "${join(this.folder, 'store')}"${this.#options.isSynced ? ', sync_interval: always' : ''}`;
    const jetstream = this.#options.jetstream === false ? '' : `jetstream { ${store} }\n`;
    await writeFile(file, `listen: "127.0.0.1:${this.#port}"\n${jetstream}${config}\n`);
    const child = spawn('nats-server', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    if (!writesLog) await this.#ready(child);
  }

  /** Kills the server, as a crash does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /**
   * Suspends the server, as a hang does: connections stay open, and nothing is answered. Returns when every thread has
   * stopped.
   */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
    while (process.platform === 'linux' && threadStates(this.pid).some(state => state !== 'T'));
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Deletes everything that the server stored. The server must not be running. */
  async wipe(): Promise<void> {
    await rm(join(this.folder, 'store'), { recursive: true, force: true });
  }

  /** Kills the server and removes its folder. */
  async release(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #ready(child: ChildProcess): Promise<void> {
    let output = '';
    const ready = Promise.withResolvers<void>();
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('Server is ready')) ready.resolve();
    });
    child.once('error', error =>
      ready.reject(new Error(`cannot run nats-server (is it on PATH?): ${error.message}`)),
    );
    child.once('exit', () => ready.reject(new Error(`nats-server ended:\n${output}`)));
    await ready.promise;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

/** Makes a server and starts it. The caller releases it. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await makeNatsServer(options);
  await server.start();
  return server;
}

/** Makes a server that is not running yet. */
export async function makeNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-nats-'));
  return new NatsServer(folder, options.port ?? (await freePort()), options);
}

/** Returns the state letter of each thread, which follows the name in brackets in /proc/PID/stat. */
function threadStates(pid: number): string[] {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).map(thread => {
    const status = readFileSync(join(threads, thread, 'stat'), 'utf8');
    return status.charAt(status.lastIndexOf(')') + 2);
  });
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
