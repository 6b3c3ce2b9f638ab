// Starts one process of nats-server, and describes how it ended.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { forwardLog } from './server-log.ts';

/** Time to wait for the last lines of a server that has ended, in milliseconds. */
const lastLinesTimeoutMs = 200;

export interface LaunchedServer {
  /** The process of the server; undefined when the system could not start it. */
  child: ChildProcess | undefined;
  /** Resolves with a text that says how the server ended, or why it could not be started. It never rejects. */
  ended: Promise<string>;
}

/** Starts the server at `path` with the configuration in the file `config`. Never throws. */
export function launchServer(path: string, config: string, clock: Clock, log: Log): LaunchedServer {
  try {
    const child = spawnServer(path, config);
    return { child, ended: describeEnd(child, clock, log) };
  } catch (error) {
    return { child: undefined, ended: Promise.resolve(describeStartFailure(error)) };
  }
}

function spawnServer(path: string, config: string): ChildProcess {
  // The server gets a process group of its own, so Ctrl-C in the terminal ends only muster, which then stops the broker in
  // order. It gets none of our environment variables, because they may contain secrets.
  return spawn(path, ['-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    cwd: '/',
    env: {},
  });
}

function describeEnd(child: ChildProcess, clock: Clock, log: Log): Promise<string> {
  // When no more files may be open, Node makes no pipe.
  const output = child.stderr as Readable | null | undefined;
  const lastProblem = output ? forwardLog(output, clock, log) : () => undefined;
  return new Promise(resolve => {
    child.once('error', error => resolve(describeStartFailure(error)));
    child.once('exit', (code, signal) => {
      const finish = () => {
        grace.cancel();
        output?.destroy();
        const why = lastProblem();
        resolve(`ended (${signal ?? `exit code ${code}`})${why ? `: ${why}` : ''}`);
      };
      const grace = clock.after(lastLinesTimeoutMs, finish);
      // At `close` every line was read. `close` does not come while a child process of the server still has the pipe open.
      child.once('close', finish);
    });
  });
}

const describeStartFailure = (error: unknown): string => `could not be run: ${reasonOf(error)}`;
