// The line by which a file is known as one that muster wrote and nobody changed since: it holds the hash of the rest.
import { createHash } from 'node:crypto';

const words = 'Written by "muster service install"; of the other lines the SHA-256 is';
const line = new RegExp(`^(?:# |<!-- )${words} ([0-9a-f]{64})(?: -->)?$`);
/** XML keeps its first lines for itself. */
const sealLines = 3;

/** `text` with its seal: in the first line, or in XML below the two that must come first. */
export function addSeal(text: string): string {
  const mark = `${words} ${hash(text)}`;
  if (!text.startsWith('<?xml')) return `# ${mark}\n${text}`;
  const lines = text.split('\n');
  return [...lines.slice(0, 2), `<!-- ${mark} -->`, ...lines.slice(2)].join('\n');
}

/** `whole`: as it was written. `changed`: somebody edited it since. `none`: muster did not write it. */
export function readSeal(text: string): 'whole' | 'changed' | 'none' {
  const lines = text.split('\n');
  const at = lines.findIndex((each, index) => index < sealLines && line.test(each));
  const wanted = line.exec(lines[at] ?? '')?.[1];
  if (wanted === undefined) return 'none';
  return hash(lines.toSpliced(at, 1).join('\n')) === wanted ? 'whole' : 'changed';
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
