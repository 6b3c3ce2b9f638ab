// The process that looks: a child, as what it looks at may hang where nothing can end it, or crash who asks.
import { type ChildProcess, spawn } from 'node:child_process';
import type { SelfCommand } from '../roles/own-command.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import type { Told } from './check-messages.ts';

/** How it ended: by itself, or not within its deadline, or otherwise, and then how. */
export type Ending =
  | { readonly kind: 'done' }
  | { readonly kind: 'late' }
  | { readonly kind: 'died'; readonly how: string };

export interface LookerOptions {
  /** Milliseconds. */
  deadline: number;
  /** Hears of each thing that it tells. */
  told(told: Told): void;
  clock?: Clock;
}

/** Most characters that it may tell: an archive is far smaller. */
const limit = 64 * 2 ** 20;

/** Runs `command`, which has our environment and our folder, until it ends or its time is up. Never rejects. */
export function runLooker({ command, args }: SelfCommand, options: LookerOptions): Promise<Ending> {
  const { deadline, told, clock = systemClock } = options;
  // It has no output when no more files may be open; its error tells then.
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ending = Promise.withResolvers<Ending>();
  const end = (how: Ending) => {
    ending.resolve(how);
    // What hangs in it would keep it for ever; and one that cannot be killed is left to the system.
    child.kill('SIGKILL');
    child.stdout?.destroy();
    child.unref();
  };
  const timer = clock.after(deadline, () => end({ kind: 'late' }));
  // A line in pieces: joined once, as it may be long.
  let pieces: string[] = [];
  let length = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    length += text.length;
    if (length > limit) return end({ kind: 'died', how: `it said more than ${limit} characters` });
    pieces.push(text);
    if (!text.includes('\n')) return;
    const lines = pieces.join('').split('\n');
    pieces = [lines.pop() ?? ''];
    for (const line of lines) {
      const one = read(line);
      if (!one) return end({ kind: 'died', how: 'it said something else than what it found' });
      if ('ended' in one) return end({ kind: 'done' });
      told(one);
    }
  });
  child.on('error', error => ending.resolve({ kind: 'died', how: reasonOf(error) }));
  child.on('close', (code, signal) => ending.resolve({ kind: 'died', how: signal ?? `exit code ${code}` }));
  return ending.promise.finally(() => timer.cancel());
}

// What it prints by itself is whole; a library that it loads may print as well.
function read(line: string): Told | undefined {
  try {
    return JSON.parse(line) as Told;
  } catch {
    return undefined;
  }
}
