// This list contains the known vulnerabilities of nats-server, and the versions that fix them.

export interface Advisory {
  /** The name of the advisory at https://advisories.nats.io. */
  readonly id: string;
  /** The first fixed version of each release line, such as `2.12.7`. Newer release lines never had the vulnerability. */
  readonly fixed: readonly string[];
  /** The harm that an attacker can do. */
  readonly what: string;
}

/** Date when the list was last compared with https://advisories.nats.io. */
export const advisoriesUpdatedAt = '2026-06-29';

/**
 * The vulnerabilities that a client of the ordinary port can use. Those of leaf nodes, MQTT and WebSocket are left out,
 * because muster does not use them.
 */
const advisories: readonly Advisory[] = [
  {
    id: '2026-28',
    fixed: ['2.12.12', '2.14.3'],
    what: 'a client can crash it by asking for its connections',
  },
  {
    id: '2026-23',
    fixed: ['2.12.10', '2.14.2'],
    what: 'if clients log in by JWT, a client without credentials can crash it',
  },
  {
    id: '2026-17',
    fixed: ['2.11.16', '2.12.7', '2.14.0'],
    what: 'a client can receive subjects that are denied to it',
  },
  {
    id: '2026-12, CVE-2026-33222',
    fixed: ['2.11.15', '2.12.6'],
    what: 'a client that may restore one stream can overwrite others',
  },
  {
    id: '2025-01, CVE-2025-30215',
    fixed: ['2.10.27', '2.11.1'],
    what: 'a client of one account can destroy streams of another',
  },
];

/** The first version that can write each message to the disk at once. */
const minimumVersion = '2.10.0';

export interface VersionReview {
  readonly tooOld: boolean;
  readonly vulnerabilities: readonly Advisory[];
  /**
   * The next newer version without any of the listed vulnerabilities; undefined when the reviewed version has no
   * vulnerability.
   */
  readonly nextFixed: string | undefined;
}

/**
 * Returns what the list says about nats-server `version`, such as `2.12.7`; undefined when that is not a version number.
 */
export function reviewVersion(version: string): VersionReview | undefined {
  const parsed = parse(version);
  if (!parsed) return undefined;
  const vulnerabilities = advisories.filter(({ fixed }) => !isFixed(parsed, fixed));
  return {
    tooOld: isBefore(parsed, parseOrZero(minimumVersion)),
    vulnerabilities,
    nextFixed: vulnerabilities.length > 0 ? nextFixedVersion(parsed) : undefined,
  };
}

/** Returns the next version after `found` that fixes every listed vulnerability. */
function nextFixedVersion(parsed: Version): string | undefined {
  return advisories
    .flatMap(({ fixed }) => fixed)
    .filter(text => advisories.every(({ fixed }) => isFixed(parseOrZero(text), fixed)))
    .sort((a, b) => (isBefore(parseOrZero(a), parseOrZero(b)) ? -1 : 1))
    .find(text => isBefore(parsed, parseOrZero(text)));
}

/**
 * Returns whether a version is fixed. In a release line with a fix, all versions from the fix on are fixed. Another
 * release line is fixed if it is newer than all lines with a fix.
 */
function isFixed(version: Version, fixed: readonly string[]): boolean {
  const fixes = fixed.map(parseOrZero);
  const own = fixes.find(([major, minor]) => major === version[0] && minor === version[1]);
  return own ? !isBefore(version, own) : fixes.every(fix => isBefore(fix, version));
}

/** A version: major, minor, patch, and 1 for a release or 0 for a pre-release. */
type Version = readonly [number, number, number, number];

function parse(version: string): Version | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})([-+.].{0,64})?$/.exec(version);
  if (!match) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1, 4).map(Number);
  return [major, minor, patch, match[4]?.startsWith('-') ? 0 : 1];
}

const parseOrZero = (version: string): Version => parse(version) ?? [0, 0, 0, 0];

function isBefore(a: Version, b: Version): boolean {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}
