// What a terminal would obey, written so that it does not.

/**
 * `text` with what is no text for a terminal as its codes (`\u001b`), and nothing else changed: JSON then says the same.
 * By Unicode's categories: control, format, lone surrogate, line and paragraph separator.
 */
export function escapeText(text: string): string {
  const codes = (character: string) =>
    character.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, character => codes(character).join(''));
}

/** Escaped text as the log for people puts it in quotes. */
export const escapeQuotes = (text: string): string => text.replaceAll('"', '\\"');
