// Host names and IP addresses as patterns, for the JSON Schema: parts to be put together, without `^` and `$`.

/** Letters, digits, `-` and `_` joined by dots, at most 63 in a row and 253 in all; not an address of digits and dots. */
export const hostName =
  '(?![\\d.]+(?![\\w.-]))(?=[\\w.-]{1,253}(?![\\w.-]))\\w[\\w-]{0,62}(?:\\.\\w[\\w-]{0,62})*\\.?';

const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';

export const ipv4 = `${byte}(?:\\.${byte}){3}`;

const group = '[0-9A-Fa-f]{1,4}';

/** Eight groups, the last two perhaps as IPv4; or fewer, with `::` once for those that are zero (RFC 4291, 2.2). */
export const ipv6 = `(?:${[
  `(?:${group}:){7}${group}`,
  `(?:${group}:){6}${ipv4}`,
  ...Array.from({ length: 8 }, (_, before) => `${groups(before)}::${endOf(7 - before)}`),
].join('|')})`;

function groups(count: number): string {
  return count === 0 ? '' : `${group}(?::${group}){${count - 1}}`;
}

/** Up to `most` groups, or none. */
function endOf(most: number): string {
  if (most === 0) return '';
  const mixed = most < 2 ? '' : `(?:${group}:){0,${most - 2}}${ipv4}|`;
  return `(?:${mixed}${group}(?::${group}){0,${most - 1}})?`;
}
