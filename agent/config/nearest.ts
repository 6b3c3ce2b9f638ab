// Finds the known word that an unknown word probably means, for "did you mean …?".

/**
 * Returns the candidate that `word` probably means. Case, dots, dashes and underscores do not matter. A candidate is too
 * different when more than a third of its letters differ; equal parts of a name are not counted. A word that is the
 * beginning of only one candidate means that one: `broker.bin` means `broker.binary`.
 */
export function findNearest(word: string, candidates: Iterable<string>): string | undefined {
  const all = [...new Set(candidates)];
  const wanted = letters(word);
  let best: string | undefined;
  let least = Math.min(3, Math.max(1, Math.floor(wanted.length / 3))) + 1;
  // Words come from the command line, files and the environment, so they may be very long. Such words are not compared.
  if (wanted === '' || wanted.length > 100) return undefined;
  for (const candidate of all) {
    const edits = distance(wanted, letters(candidate));
    if (edits < least && edits <= maxEdits(word, candidate)) [best, least] = [candidate, edits];
  }
  return best ?? findByBeginning(word, all);
}

function findByBeginning(word: string, candidates: readonly string[]): string | undefined {
  const mine = wordsOf(word);
  if ((mine.at(-1)?.length ?? 0) < 3) return undefined;
  const [first, second] = candidates.filter(candidate => {
    const theirs = wordsOf(candidate);
    return theirs.length === mine.length && theirs.join('.').startsWith(mine.join('.'));
  });
  return second === undefined ? first : undefined;
}

// Equal parts do not count: `nats.url` is not near `nats.user`, however long the name of their group is.
function maxEdits(word: string, candidate: string): number {
  const [mine, theirs] = [wordsOf(word), wordsOf(candidate)];
  let same = 0;
  while (same < Math.min(mine.length, theirs.length) - 1 && mine[same] === theirs[same]) same++;
  const rest = (words: string[]) => words.slice(same).join('').length;
  return Math.ceil(Math.max(rest(mine), rest(theirs)) / 3);
}

const wordsOf = (text: string): string[] => text.toLowerCase().split(/[-_. ]/);

const letters = (text: string): string => wordsOf(text).join('');

/**
 * Returns how many letters must be inserted, deleted, replaced or swapped with the next one (optimal string alignment).
 */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, cell(last, j - 1) + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, cell(before, j - 2) + 1);
      row.push(edits);
    }
    [before, last] = [last, row];
  }
  return cell(last, b.length);
}

function cell(row: number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
