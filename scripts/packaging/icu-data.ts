// Leaves data out of the Unicode library in Node that the program never uses: the languages other than English, converters
// of old encodings, and names of characters. This is 29 MB of 33, and 8 MB of the compressed file. Node's own build leaves out as
// much with `--with-intl=small-icu`: Intl falls back to English, and everything else works as before.
import { MusterError } from '../../agent/system/errors.ts';

/** The header of the data: its size, two marks, and the format `CmnD` (unicode/udata.h of ICU). */
const formatAt = 12;
const marks = 0x27_da;

/** The trees of data in which each language has an item, and `root` is what they fall back to. */
const trees = /^(?:(?:coll|curr|lang|region|unit|zone)\/)?([^/]+)\.res$/;

/** Items without which other items or Intl cannot be opened, besides those of English. */
const kept =
  /^(root|pool|res_index|tzdbNames|supplementalData|metaZones|metadata|timezoneTypes|windowsZones|zoneinfo64|numberingSystems|plurals|pluralRanges|keyTypeData|langInfo|likelySubtags|dayPeriods|genderList|grammaticalFeatures|currencyNumericCodes|units|icuver|icustd|en(_001|_US(_POSIX)?)?)$/;

const unused = /\.(cnv|cfu)$|^(unames\.icu|(translit|rbnf)\/.*|brkitr\/.*(\.dict|_cj\.brk))$/;

/** Returns whether the program needs the item, whose name is like `coll/de.res`. */
function needsItem(name: string): boolean {
  if (unused.test(name)) return false;
  const [, language] = trees.exec(name) ?? [];
  return language === undefined || kept.test(language);
}

/**
 * Fills the items in `node`, the bytes of a Node, with zeros and takes them out of the list of items. The size stays as it
 * is, because everything after them must stay at its place.
 * @returns how many bytes were left out.
 * @throws MusterError when the data is not found.
 */
export function leaveOutIcuData(node: Buffer): number {
  const header = findHeader(node);
  const list = header + node.readUInt16LE(header);
  const count = node.readUInt32LE(list);
  const entry = (index: number) => list + 4 + 8 * index;
  const items = Array.from({ length: count }, (_, index) => {
    const nameAt = node.readUInt32LE(entry(index));
    const start = node.readUInt32LE(entry(index) + 4);
    const name = node.toString('latin1', list + nameAt, node.indexOf(0, list + nameAt));
    return { nameAt, start, name: name.replace(/^icudt\d+[lb]\//, '') };
  });
  let left = 0;
  const needed = items.filter(({ name, start }, index) => {
    const end = items[index + 1]?.start;
    // Nothing says where the last item ends.
    if (end === undefined || needsItem(name)) return true;
    node.fill(0, list + start, list + end);
    left += end - start;
    return false;
  });
  node.writeUInt32LE(needed.length, list);
  for (const [index, { nameAt, start }] of needed.entries()) {
    node.writeUInt32LE(nameAt, entry(index));
    node.writeUInt32LE(start, entry(index) + 4);
  }
  return left;
}

function findHeader(node: Buffer): number {
  for (let at = node.indexOf('CmnD', 0, 'latin1'); at !== -1; at = node.indexOf('CmnD', at + 1, 'latin1')) {
    const header = at - formatAt;
    if (header >= 0 && node.readUInt16LE(header + 2) === marks) return header;
  }
  throw new MusterError('failed', 'this Node has no data of ICU in it');
}
