// Breaks a text between words, so that it fits a width.

/** Breaks `text` at blanks into lines of at most `most` characters. A longer word stays whole. */
export function breakLines(text: string, most: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && [...longer].length > most) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
