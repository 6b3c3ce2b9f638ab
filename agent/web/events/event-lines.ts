// Cuts the text of a stream into lines, however it is cut where it comes.

/** The longest line, in characters. An event is much shorter. */
const maxLength = 1024 * 1024;

/** Yields the lines of an answer without those that are empty. @throws RangeError for a line that is too long */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (let part = await reader.read(); part.value; part = await reader.read()) {
    const lines = (rest + decoder.decode(part.value, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLength) throw new RangeError('a line is too long');
    yield* lines.filter(Boolean);
  }
  if (rest) yield rest;
}
