// This hidden command runs when somebody presses Tab in a shell. It prints each word that may follow on a line, with a tab
// before the help of the word. A line `:files` or `:folders` asks the shell to complete file or folder names itself.
import { duration } from '../../config/kind.ts';
import { print, warn } from '../../output/terminal.ts';
import { exitNow } from '../../roles/exit.ts';
import { sleep, systemClock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import { type Candidate, candidates, commandsBelow, readUnfinished } from '../completion/candidates.ts';
import { unquoted } from '../completion/unquoted.ts';
import type { Argv, Command, CommandTable, FlagTable } from '../line/command.ts';

const flags = {
  quoted: { help: 'the words still have their quotes and backslashes' },
  // People do not wait longer after pressing Tab.
  within: { value: 'DURATION', kind: duration(), default: 1_000, help: 'milliseconds that it may take' },
} satisfies FlagTable;

/** Returns the command that completes the words of `commands`. */
export function completionWords(commands: CommandTable): Command {
  return { flags, rest: {}, run: (argv: Argv<typeof flags>) => run(argv, commands) };
}

/**
 * Hides every failure, because an error would appear in the middle of the command that is being typed. With log level
 * debug failures are shown.
 */
async function run(
  { flags: given, rest: typed, settings }: Argv<typeof flags>,
  commands: CommandTable,
): Promise<number> {
  const { quoted, within: deadlineMs } = given;
  const words = quoted ? typed.map(unquoted) : typed;
  const finished = new AbortController();
  const deadline = sleep(systemClock, deadlineMs, finished.signal).then(() => {
    // A name server or a file system that hangs blocks a thread. The process could then not end by itself.
    if (!finished.signal.aborted) void exitNow(0);
  });
  try {
    await printCandidates(words.slice(0, -1), words.at(-1) ?? '', deadlineMs, commands);
  } catch (error) {
    if (settings['log.level'] === 'debug') warn(printable(reasonOf(error)));
  }
  finished.abort();
  await deadline;
  return 0;
}

async function printCandidates(
  before: readonly string[],
  current: string,
  deadlineMs: number,
  commands: CommandTable,
): Promise<void> {
  if (before[0] === 'help') return printWords(commandsBelow(before.slice(1), commands));
  const line = await readUnfinished(before, commands);
  const { words, also } = candidates(line, current, commands);
  printWords(words);
  if (also === 'nodes') {
    const { nodeCandidates } = await import('../completion/nodes.ts');
    // The request ends before the process has to end.
    printWords(await nodeCandidates(line, deadlineMs * 0.8));
  } else if (also) print(`:${also}\n`);
}

function printWords(words: readonly Candidate[]): void {
  print(words.map(({ word, help }) => `${word}${help ? `\t${printable(help)}` : ''}\n`).join(''));
}
