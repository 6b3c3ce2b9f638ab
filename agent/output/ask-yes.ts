// Asks the person at the terminal whether to go on.
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Returns whether somebody can see a question and type the answer. */
export const isAtTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Returns whether the person types y or yes. `question` must be made safe by `printable` first. */
export async function askYes(question: string): Promise<boolean> {
  process.stderr.write(`${question} [y/N] `);
  // Without an output, readline keeps the terminal as it is and stores no history.
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => [undefined])]);
    // Whoever closes the terminal's input has typed no end of the line.
    if (line === undefined) process.stderr.write('\n');
    return /^\s*y(es)?\s*$/i.test(line ?? '');
  } finally {
    lines.close();
  }
}
