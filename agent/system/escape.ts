// Escapes the characters that control a terminal instead of being shown.

/**
 * Returns `text` with control and format characters, lone surrogates, and line and paragraph separators written as codes
 * such as `\u001b`. Nothing else changes, so a JSON document keeps its meaning.
 */
export function escapeText(text: string): string {
  // Most texts are names of ASCII characters, and to see that costs a fraction of the search below.
  if (/^[ -~]*$/.test(text)) return text;
  const codes = (character: string) =>
    character.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, character => codes(character).join(''));
}

/** Escapes quotation marks in text that the log for people writes between quotes. */
export const escapeQuotes = (text: string): string => text.replaceAll('"', '\\"');
