// Runs a module of the bench in its own process, which has a clean heap and sends its results as messages.
import { type ChildProcess, fork } from 'node:child_process';

export class Worker<T = never> {
  readonly #child: ChildProcess;
  #ended = false;

  /** Runs `file` with `args`. */
  constructor(file: URL, ...args: (string | number)[]) {
    this.#child = fork(file, args.map(String));
    const end = () => void this.#child.kill('SIGKILL');
    process.on('exit', end);
    // Without a listener, Node stores the messages, and `next` would return an old one.
    this.#child.on('message', () => undefined);
    this.#child.once('exit', () => {
      this.#ended = true;
      process.off('exit', end);
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the worker did not start');
    return this.#child.pid;
  }

  /** Resolves with the next message. Rejects when the worker ends without one. */
  next(): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#child.off('message', take);
        this.#child.off('exit', fail);
      };
      const take = (message: unknown) => {
        settle();
        resolve(message as T);
      };
      const fail = () => {
        settle();
        reject(new Error(`${this.#child.spawnargs.slice(1).join(' ')} ended early`));
      };
      if (this.#ended) return fail();
      this.#child.once('message', take);
      this.#child.once('exit', fail);
    });
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    const exited = new Promise(resolve => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** Sends a message from the worker to the bench. */
export function report(message: unknown): void {
  process.send?.(message);
}

if (process.send) process.on('disconnect', () => process.exit());
