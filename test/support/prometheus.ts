// Runs a real Prometheus for a test, and asks it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from './eventually.ts';
import { freePort } from './listener.ts';

export interface Series {
  metric: Record<string, string>;
  value: [number, string];
}

export class Prometheus {
  readonly #process: ChildProcess;
  readonly #url: string;
  #log = '';

  /** Starts it with this configuration, and waits until it answers. Its files are in `folder`. */
  static async start(folder: string, config: unknown): Promise<Prometheus> {
    const file = join(folder, 'prometheus.yml');
    await writeFile(file, stringify(config));
    const port = await freePort();
    const prometheus = new Prometheus(folder, file, port);
    const isReady = () =>
      prometheus.#get('/-/ready').then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually('Prometheus is ready', isReady).catch(cause => {
      throw new Error(prometheus.#log, { cause });
    });
    return prometheus;
  }

  private constructor(folder: string, file: string, port: number) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#process = spawn(
      'prometheus',
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    const kill = () => this.#process.kill('SIGKILL');
    process.once('exit', kill);
    this.#process.once('exit', () => process.off('exit', kill));
  }

  /** Returns what a query finds now. @throws Error when Prometheus cannot carry it out. */
  async query(expression: string): Promise<Series[]> {
    const { result } = await this.#data<{ result: Series[] }>(
      `/api/v1/query?query=${encodeURIComponent(expression)}`,
    );
    return result;
  }

  /** Returns the state of each rule: `ok`, `unknown` before its first evaluation, or `err` with the reason. */
  async rules(): Promise<{ name: string; health: string; lastError?: string }[]> {
    const { groups } = await this.#data<{ groups: { rules: { name: string; health: string }[] }[] }>(
      '/api/v1/rules',
    );
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  async #data<T>(path: string): Promise<T> {
    const answer = await this.#get(path);
    const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }

  #get(path: string): Promise<Response> {
    return fetch(`${this.#url}${path}`, { headers: { connection: 'close' } });
  }
}

/** Runs promtool with `input`, and returns its exit code and all that it printed. */
export async function promtool(args: readonly string[], input = ''): Promise<{ code: number; text: string }> {
  return new Promise(resolve => {
    const child = execFile('promtool', [...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}
