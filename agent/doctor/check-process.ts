// Runs the checks in a child process, because a check may hang in the kernel or crash the process that runs it.
import { type ChildProcess, spawn } from 'node:child_process';
import type { OwnCommand } from '../roles/own-command.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import type { CheckMessage } from './check-messages.ts';

/** How the process ended: after its last message (`done`), too late, or in another way that `how` describes. */
export type CheckProcessEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'late' }
  | { readonly kind: 'died'; readonly how: string };

export interface CheckProcessOptions {
  timeoutMs: number;
  /** Called with each message, except the last one, which only says that no more follow. */
  onMessage(message: CheckMessage): void;
  clock?: Clock;
}

/** Number of characters of output that are read. An archive needs far less. */
const outputLimitChars = 64 * 2 ** 20;

/**
 * Runs `command` with our environment and working folder. It ends with the last message, the end of the process, or the
 * timeout. Never rejects.
 */
export function runCheckProcess(
  { command, args }: OwnCommand,
  options: CheckProcessOptions,
): Promise<CheckProcessEnd> {
  const { timeoutMs, onMessage, clock = systemClock } = options;
  // When no more files may be open, the child has no standard output, and an error event follows.
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = Promise.withResolvers<CheckProcessEnd>();
  const end = (how: CheckProcessEnd) => {
    ended.resolve(how);
    // A thread that hangs would keep the child alive for ever. Even a child that cannot be killed must not keep this process
    // alive.
    child.kill('SIGKILL');
    child.stdout?.destroy();
    child.unref();
  };
  const timer = clock.after(timeoutMs, () => end({ kind: 'late' }));
  // The pieces of a line are joined only once, because a line may be long.
  let pieces: string[] = [];
  let lengthChars = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    lengthChars += text.length;
    if (lengthChars > outputLimitChars)
      return end({ kind: 'died', how: `it wrote more than ${outputLimitChars} characters` });
    pieces.push(text);
    if (!text.includes('\n')) return;
    const lines = pieces.join('').split('\n');
    pieces = [lines.pop() ?? ''];
    for (const line of lines) {
      const message = parseMessage(line);
      if (!message) return end({ kind: 'died', how: 'it wrote something that is not a result' });
      if ('done' in message) return end({ kind: 'done' });
      onMessage(message);
    }
  });
  child.on('error', error => ended.resolve({ kind: 'died', how: reasonOf(error) }));
  child.on('close', (code, signal) => ended.resolve({ kind: 'died', how: signal ?? `exit code ${code}` }));
  return ended.promise.finally(() => timer.cancel());
}

/**
 * Parses a message. Returns undefined for a line that is not JSON, because a library in the child may also print to
 * standard output.
 */
function parseMessage(line: string): CheckMessage | undefined {
  try {
    return JSON.parse(line) as CheckMessage;
  } catch {
    return undefined;
  }
}
