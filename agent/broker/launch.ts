// One process of nats-server, from its start to its end.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { forwardLog } from './server-log.ts';

/** Milliseconds that the last lines of a server that has ended may take. */
const lastLinesTimeoutMs = 200;

export interface LaunchedServer {
  /** Undefined when the system refused at once to start it. */
  child: ChildProcess | undefined;
  /** Tells how it ended, or why it could not be run; never rejects. */
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
  // A process group of its own: Ctrl-C in the terminal ends muster, which then ends the broker in order. No
  // environment: nothing in ours is the server's business.
  return spawn(path, ['-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    cwd: '/',
    env: {},
  });
}

function describeEnd(child: ChildProcess, clock: Clock, log: Log): Promise<string> {
  // When no more files can be open, Node makes no pipe.
  const output = child.stderr as Readable | null | undefined;
  const complaint = output ? forwardLog(output, clock, log) : () => undefined;
  return new Promise(resolve => {
    child.once('error', error => resolve(describeStartFailure(error)));
    child.once('exit', (code, signal) => {
      const tell = () => {
        grace.cancel();
        output?.destroy();
        const why = complaint();
        resolve(`ended (${signal ?? `exit code ${code}`})${why ? `: ${why}` : ''}`);
      };
      const grace = clock.after(lastLinesTimeoutMs, tell);
      // After `close` every line has been read; it does not come while a child of the server's has the pipe.
      child.once('close', tell);
    });
  });
}

const describeStartFailure = (error: unknown): string => `could not be run: ${reasonOf(error)}`;
