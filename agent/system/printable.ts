// Text from anywhere, made fit for a terminal. Apart from the log, so that a short command need not load one.

/** Makes any text safe for a terminal: control characters, escape sequences and line breaks become visible. */
export function printable(text: string, limit = 512): string {
  return escaped(text.length > limit ? `${text.slice(0, limit)}…` : text);
}

/**
 * As `printable`, but whole: for what has a bound of its own, such as a line of JSON, which then says the same.
 * By Unicode's categories: control, format, lone surrogate, line and paragraph separator.
 */
export function escaped(text: string): string {
  const codes = (character: string) =>
    character.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, character => codes(character).join(''));
}
