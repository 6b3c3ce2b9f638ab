// The seal is a line with the hash of the other lines. It shows whether muster wrote a file, and whether somebody edited it.
import { createHash } from 'node:crypto';

const words = 'Written by "muster service install"; of the other lines the SHA-256 is';
const sealed = `${words} ([0-9a-f]{64})`;
const line = new RegExp(`^(?:# ${sealed}|<!-- ${sealed} -->)$`);
/** Number of first lines among which the seal is; in XML two other lines must come first. */
const sealLines = 3;

/** Returns `text` with its seal in the first line, or in XML in the third. */
export function addSeal(text: string): string {
  const mark = `${words} ${hash(text)}`;
  if (!text.startsWith('<?xml')) return `# ${mark}\n${text}`;
  const lines = text.split('\n');
  return [...lines.slice(0, 2), `<!-- ${mark} -->`, ...lines.slice(2)].join('\n');
}

/** Returns `whole` for an unchanged file, `changed` when somebody edited it, and `none` when muster did not write it. */
export function readSeal(text: string): 'whole' | 'changed' | 'none' {
  const lines = text.split('\n');
  const at = lines.findIndex((each, index) => index < sealLines && line.test(each));
  const [, inComment, inXml] = line.exec(lines[at] ?? '') ?? [];
  const wanted = inComment ?? inXml;
  if (wanted === undefined) return 'none';
  return hash(lines.toSpliced(at, 1).join('\n')) === wanted ? 'whole' : 'changed';
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
