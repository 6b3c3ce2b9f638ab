// The hidden command that a shell runs as somebody presses Tab: prints what may stand at the end of the words given, a
// line each, with a tab before what it is about. A line `:files` or `:folders` leaves the rest to the shell.
import { duration } from '../../config/kind.ts';
import { print, tell } from '../../output/terminal.ts';
import { exitNow } from '../../roles/exit.ts';
import { sleep, systemClock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import type { Argv, FlagTable } from '../line/command.ts';
import { type Candidate, candidates, commandsBelow, readLine } from './candidates.ts';

export const rest = true;

export const flags = {
  quoted: { help: 'the words are as they were typed, with their quotes and backslashes' },
  // Nobody waits longer for a Tab.
  within: { value: 'DURATION', kind: duration(), default: 1_000, help: 'milliseconds that it may take' },
} satisfies FlagTable;

/** Silent about every failure, which would stand in the middle of what is typed; with log level debug it tells. */
export async function run({ flags: given, rest: typed, settings }: Argv<typeof flags>): Promise<number> {
  const { quoted, within } = given;
  const words = quoted ? typed.map(unquoted) : typed;
  const work = new AbortController();
  const late = sleep(systemClock, within, work.signal).then(() => {
    // A name server or a file system that hangs holds a thread, and with it an orderly end.
    if (!work.signal.aborted) void exitNow(0);
  });
  try {
    await printCandidates(words.slice(0, -1), words.at(-1) ?? '', within);
  } catch (error) {
    if (settings['log.level'] === 'debug') tell('Warning', printable(reasonOf(error)));
  }
  work.abort();
  await late;
  return 0;
}

async function printCandidates(before: readonly string[], current: string, within: number): Promise<void> {
  if (before[0] === 'help') return printWords(commandsBelow(before.slice(1)));
  const line = await readLine(before);
  const { words, also } = candidates(line, current);
  printWords(words);
  if (also === 'nodes') {
    const { nodeCandidates } = await import('./nodes.ts');
    // Given up in good order first.
    printWords(await nodeCandidates(line, within * 0.8));
  } else if (also) print(`:${also}\n`);
}

function printWords(words: readonly Candidate[]): void {
  print(words.map(({ word, help }) => `${word}${help ? `\t${printable(help)}` : ''}\n`).join(''));
}

/** What a shell makes of a word with quotes and backslashes; a quote that is still open ends with the word. */
export function unquoted(word: string): string {
  return word.replace(
    /'([^']*)(?:'|$)|"((?:[^"\\]|\\[\s\S])*)(?:"|\\?$)|\\([\s\S]|$)/g,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\([$`"\\\n])/g, '$1') ?? escaped ?? '',
  );
}
