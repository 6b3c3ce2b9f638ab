// Writes words as a shell reads them, so that a command in a message can be copied.
import { escapeText } from './escape.ts';

/** Returns the words as a line for a POSIX shell. Nothing in it can steer a terminal. */
export const shellLine = (words: readonly string[]): string => words.map(shellWord).join(' ');

function shellWord(word: string): string {
  const [, flag, value] = /^(--[\w-]+=)(.+)$/su.exec(word) ?? [];
  if (flag !== undefined && value !== undefined) return flag + shellWord(value);
  if (/^[\w./:=,@%+-]+$/.test(word)) return word;
  const escaped = escapeText(word);
  if (escaped === word) return `'${word.replaceAll("'", "'\\''")}'`;
  // Between $' and ' a shell reads escapes.
  const inside = [...word].map(character => {
    if (character === "'" || character === '\\') return `\\${character}`;
    return escapeText(character) === character ? character : bytes(character);
  });
  return `$'${inside.join('')}'`;
}

const bytes = (character: string): string =>
  [...new TextEncoder().encode(character)].map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
