// Holes in nats-server that are publicly known, and the versions that close them.

export interface Advisory {
  /** As https://advisories.nats.io names it. */
  readonly id: string;
  /** For each release line the first patch without the hole: `2.12.7`. Lines newer than all of these never had it. */
  readonly fixed: readonly string[];
  /** What it lets somebody do. */
  readonly what: string;
}

/** When the list was last brought in line with https://advisories.nats.io. */
export const advisoriesUpdatedAt = '2026-06-29';

/**
 * Those that a client of the ordinary port can use. What concerns only leaf nodes, MQTT or WebSocket is left out: muster uses
 * none of them.
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
    what: 'where clients log in by JWT, one without credentials can crash it',
  },
  {
    id: '2026-17',
    fixed: ['2.11.16', '2.12.7', '2.14.0'],
    what: 'a client can hear subjects that are denied to it',
  },
  {
    id: '2026-12, CVE-2026-33222',
    fixed: ['2.11.15', '2.12.6'],
    what: 'who may restore one stream can overwrite others',
  },
  {
    id: '2025-01, CVE-2025-30215',
    fixed: ['2.10.27', '2.11.1'],
    what: 'a client of one account can destroy streams of another',
  },
];

/** The first version whose store can be told to sync each write. */
const minimumVersion = '2.10.0';

export interface VersionReview {
  readonly tooOld: boolean;
  readonly holes: readonly Advisory[];
  /** The nearest newer version that has none of the holes listed; undefined when this one has none. */
  readonly better: string | undefined;
}

/** What is known of nats-server `version`, such as `2.12.7`; undefined when that is no version of it. */
export function reviewVersion(version: string): VersionReview | undefined {
  const found = parse(version);
  if (!found) return undefined;
  const holes = advisories.filter(({ fixed }) => !isFixed(found, fixed));
  return {
    tooOld: isBefore(found, parseOrZero(minimumVersion)),
    holes,
    better: holes.length > 0 ? nextFixedVersion(found) : undefined,
  };
}

/** The nearest version after `found` that closes every hole listed. */
function nextFixedVersion(found: Version): string | undefined {
  return advisories
    .flatMap(({ fixed }) => fixed)
    .filter(text => advisories.every(({ fixed }) => isFixed(parseOrZero(text), fixed)))
    .sort((a, b) => (isBefore(parseOrZero(a), parseOrZero(b)) ? -1 : 1))
    .find(text => isBefore(found, parseOrZero(text)));
}

/** On a release line that was mended: from its fix on. On any other: only if it is newer than all of them. */
function isFixed(version: Version, fixed: readonly string[]): boolean {
  const fixes = fixed.map(parseOrZero);
  const own = fixes.find(([major, minor]) => major === version[0] && minor === version[1]);
  return own ? !isBefore(version, own) : fixes.every(fix => isBefore(fix, version));
}

/** Major, minor, patch, and 0 for what came before the release of that name, 1 for the release. */
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
