// Removes the quotes and backslashes of a shell word.

/** Returns the word as the shell would pass it on. When a quote is still open, it ends at the end of the word. */
export function unquoted(word: string): string {
  return word.replace(
    /'([^']*)(?:'|$)|"((?:[^"\\]|\\[\s\S])*)(?:"|\\?$)|\\([\s\S]|$)/g,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\([$`"\\\n])/g, '$1') ?? escaped ?? '',
  );
}
