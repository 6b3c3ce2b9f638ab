// Writes amounts of resources for narrow columns.
import { sizeText } from '../../protocol/unit-text.ts';

/** Returns a number with one digit after the point below ten, and none where it is whole: `1.5`, `12`. */
const countText = (count: number): string =>
  String(count < 10 ? Math.round(count * 10) / 10 : Math.round(count));

/** Returns `3 / 8`, and for bytes `1.2 / 16 GB` with the unit of the whole. */
export function shareText(part: number, whole: number, unit: 'count' | 'bytes'): string {
  if (unit === 'count') return `${countText(part)} / ${countText(whole)}`;
  const [number = '', name = ''] = sizeText(whole).split(' ');
  const inUnit = whole > 0 ? (part / whole) * (whole / sizeOf(name)) : 0;
  return `${countText(inUnit)} / ${number} ${name}`;
}

const names = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
const sizeOf = (name: string): number => 1000 ** Math.max(0, names.indexOf(name));
