// Defines patterns of host names and IP addresses for the JSON Schema. They are parts of larger patterns, without `^` and
// `$`.

/**
 * A host name: letters, digits, `-` and `_`, joined by dots. Each part has at most 63 characters, the whole name 253.
 * Digits and dots alone are not a name.
 */
export const hostName =
  '(?![\\d.]+(?![\\w.-]))(?=[\\w.-]{1,253}(?![\\w.-]))\\w[\\w-]{0,62}(?:\\.\\w[\\w-]{0,62})*\\.?';

const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';

export const ipv4 = `${byte}(?:\\.${byte}){3}`;

const group = '[0-9A-Fa-f]{1,4}';

/**
 * An IPv6 address: eight groups. The last two may be written as an IPv4 address, and `::` may replace groups of zeros
 * once (RFC 4291, 2.2).
 */
export const ipv6 = `(?:${[
  `(?:${group}:){7}${group}`,
  `(?:${group}:){6}${ipv4}`,
  ...Array.from({ length: 8 }, (_, before) => `${groups(before)}::${groupsUpTo(7 - before)}`),
].join('|')})`;

function groups(count: number): string {
  return count === 0 ? '' : `${group}(?::${group}){${count - 1}}`;
}

/** Returns the pattern of up to `max` groups. */
function groupsUpTo(max: number): string {
  if (max === 0) return '';
  const mixed = max < 2 ? '' : `(?:${group}:){0,${max - 2}}${ipv4}|`;
  return `(?:${mixed}${group}(?::${group}){0,${max - 1}})?`;
}
