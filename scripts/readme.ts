// Writes what the README takes from the program, between its marks: the table of settings.
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsMarkdown } from '../agent/config/show.ts';

const path = new URL('../README.md', import.meta.url);

/** `text` with the generated parts as the program has them now. */
export function withGeneratedParts(text: string): string {
  return text.replace(
    /(<!-- settings -->\n)[\s\S]*?(<!-- \/settings -->)/,
    (_, begin, end) => `${begin}${settingsMarkdown()}${end}`,
  );
}

if (import.meta.main) writeFileSync(path, withGeneratedParts(readFileSync(path, 'utf8')));
