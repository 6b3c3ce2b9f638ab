// Writes text as roff with the man macros, the language of manual pages (groff_man(7)).

const special: Readonly<Record<string, string>> = {
  '\\': '\\(rs',
  // Without the backslash it would be a hyphen, which cannot be copied as part of a flag.
  '-': '\\-',
  "'": '\\(aq',
  '"': '\\(dq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

/** Returns roff that shows `text` unchanged, in one line. No character of it counts as a request of roff. */
export const plain = (text: string): string => verbatim(text.replace(/\s+/g, ' '));

function verbatim(text: string): string {
  const line = text
    .replace(/[\\\-'"`^~]/g, character => special[character] ?? character)
    .replace(/[^\x20-\x7e]/gu, character => `\\[u${codePoint(character)}]`);
  return line.startsWith('.') ? `\\&${line}` : line;
}

export const bold = (text: string): string => `\\fB${plain(text)}\\fR`;
export const italic = (text: string): string => `\\fI${plain(text)}\\fR`;

/**
 * Returns the beginning of a page. It has no date, so that it is the same every day. Words are not hyphenated, because most
 * of them are typed by the reader.
 */
export const title = (name: string, part: number, source: string, manual: string): string =>
  `.TH ${quoted(name.toUpperCase())} ${part} "" ${quoted(source)} ${quoted(manual)}\n.nh\n.ad l\n`;

/** Returns a heading and the first lines below it, which are roff. */
export const section = (name: string, ...lines: string[]): string => `.SH ${quoted(name)}\n${each(lines)}`;
export const subsection = (name: string, ...lines: string[]): string => `.SS ${quoted(name)}\n${each(lines)}`;

/** Returns a further paragraph of roff. */
export const paragraph = (...lines: string[]): string => `.PP\n${each(lines)}`;

/** Returns an entry of a list: a term and its meaning, both roff. */
export const entry = (term: string, ...lines: string[]): string => `.TP\n${term}\n${each(lines)}`;

/** The request that begins a new line in the output. */
export const lineBreak = '.br';

/** Returns lines that are shown as they are, such as commands to type. */
export const example = (...lines: string[]): string =>
  `.PP\n.in +4n\n.EX\n${each(lines.map(verbatim))}.EE\n.in\n`;

const each = (lines: readonly string[]): string => lines.map(line => `${line}\n`).join('');

const quoted = (text: string): string => `"${plain(text)}"`;

function codePoint(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
