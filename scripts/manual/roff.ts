// Text as roff, with the man macros: what a manual page is written in (groff_man(7)).

const special: Readonly<Record<string, string>> = {
  '\\': '\\(rs',
  // A bare one is a hyphen, which is no part of a flag.
  '-': '\\-',
  "'": '\\(aq',
  '"': '\\(dq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

/** Any text, to stand in a line: it means itself and begins no request. */
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
 * How a page begins: its name in capitals, and what program it is of; no date, so that nothing changes with the day. Words
 * are not taken apart: most are to be typed.
 */
export const title = (name: string, part: number, source: string, manual: string): string =>
  `.TH ${quoted(name.toUpperCase())} ${part} "" ${quoted(source)} ${quoted(manual)}\n.nh\n.ad l\n`;

/** A heading, and the first lines under it, roff text. */
export const section = (name: string, ...lines: string[]): string => `.SH ${quoted(name)}\n${each(lines)}`;
export const subsection = (name: string, ...lines: string[]): string => `.SS ${quoted(name)}\n${each(lines)}`;

/** A further paragraph of roff text. */
export const paragraph = (...lines: string[]): string => `.PP\n${each(lines)}`;

/** An entry of a list: a term, and what it means, both roff text. */
export const entry = (term: string, ...lines: string[]): string => `.TP\n${term}\n${each(lines)}`;

/** Ends a line of what is shown. */
export const lineBreak = '.br';

/** Lines as they are, such as commands to type. */
export const example = (...lines: string[]): string =>
  `.PP\n.in +4n\n.EX\n${each(lines.map(verbatim))}.EE\n.in\n`;

const each = (lines: readonly string[]): string => lines.map(line => `${line}\n`).join('');

const quoted = (text: string): string => `"${plain(text)}"`;

function codePoint(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
