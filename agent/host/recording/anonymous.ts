// Replaces in a recording everything that identifies a machine. The same id gets the same replacement everywhere.
import type { Recording } from './recording.ts';

/**
 * Returns `recording` with serial numbers, UUIDs and other long ids, MAC addresses, host names, cloud instance ids and
 * project numbers replaced. Facts that refer to each other by an id still match.
 */
export function anonymous(recording: Recording): Recording {
  const ids = new Numbering();
  const hosts = hostNames(recording);
  const replace = (text: string) => withoutNames(withoutIds(text, ids), hosts);
  const everywhere = (value: unknown): unknown => {
    if (typeof value === 'string') return replace(value);
    if (Array.isArray(value)) return value.map(everywhere);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [replace(key), everywhere(inner)]));
  };
  const { answers, faults, took, system, recordedAt } = recording;
  return {
    recordedAt,
    system: { ...system, hostname: 'host-1' },
    answers: cloudIdsReplaced(everywhere(answers) as Recording['answers']),
    faults: everywhere(faults) as Recording['faults'],
    took: everywhere(took) as Recording['took'],
  };
}

/** Gives each id a number, in the order in which the ids are found. */
class Numbering {
  readonly #numbers = new Map<string, number>();

  of(id: string): number {
    const key = id.toLowerCase();
    const number = this.#numbers.get(key) ?? this.#numbers.size + 1;
    this.#numbers.set(key, number);
    return number;
  }
}

/**
 * Matches a UUID anywhere in a text. Kubernetes writes `pod` before a UUID, and uses `_` instead of `-`, because systemd
 * would read `-` as a new level.
 */
const uuid = /[0-9a-f]{8}([-_])(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}/gi;
const mac = /\b(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}\b/gi;
/** Machine ids and container ids. The kernel's addresses and masks are shorter. */
const longHex = /[0-9a-f]{32,}/gi;
/**
 * `"serial_number": "…"`, `Serial Number : …`, `SN: …`, `Unique ID: …`. A value that means "no serial number" is not
 * replaced.
 */
const serial =
  /((?:serial(?:[ _-]?(?:number|no))?|\bSN|unique[ _-]?id)"?\s*[:=]\s*"?)(?!unknown|n\/a|none|0["\s,}\]])([^"\s,][^",\n]*)/gi;

function withoutIds(text: string, ids: Numbering): string {
  return text
    .replace(serial, (_, before, value) => before + withoutSerial(before, value))
    .replace(uuid, (id, separator: string) => {
      const number = ids.of(id.replaceAll('_', '-'));
      return ['00000000', '0000', '4000', '8000', hex(number, 12)].join(separator);
    })
    .replace(mac, id => `02:00:00:00:00:${hex(ids.of(id), 2).slice(-2)}`)
    .replace(longHex, id => hex(ids.of(id), id.length));
}

// Replaces the value. A JSON value without quotes is a number, a list or null, and the text must stay valid JSON.
function withoutSerial(before: string, value: string): string {
  const bare = /"\s*:\s*$/.test(before) && /^(?:[-\d[{]|null\b)/.test(value);
  return bare ? value.replace(/-?\d[^\]}]*/g, '"replaced"') : 'replaced';
}

const hex = (number: number, length: number): string => number.toString(16).padStart(length, '0');

/**
 * Returns the host's name and its first part. A short or common name is left out, because it would also be found in other
 * words.
 */
function hostNames({ system: { hostname }, answers }: Recording): string[] {
  const release = String(answers['file /etc/os-release'] ?? answers['file /usr/lib/os-release'] ?? '');
  return [hostname, hostname.split('.', 1)[0] ?? ''].filter(
    name =>
      name.length >= 4 &&
      !/^local(?:host)?(?:\.|$)/.test(name) &&
      !commonWords.test(name) &&
      // Installers may name a machine `debian` or `fedora`.
      !asWord(name).test(release),
  );
}

/** Words in our questions and in the answers. A recording without them could not be replayed. */
const commonWords =
  /^(?:amdgpu|cgroup|class|cpuacct|cpuset|devices?|drivers?|file|folder|gpus|hwmon|i915|information|inventory|kernel|link|linux|meminfo|memory|metadata|module|nouveau|nvidia|nvml|proc|random|resource|rocm-smi|self|space|status|tool|unified|vendor|version|xpu-smi|nvidia-smi)$/i;

function withoutNames(text: string, names: readonly string[]): string {
  const pattern = hasGroups.test(text) ? inGroup : asWord;
  return names.reduce((rest, name) => rest.replace(pattern(name), 'host-1'), text);
}

const literal = (name: string): string => name.replace(/[^\w]/g, '\\$&');
const asWord = (name: string) => new RegExp(`(?<![\\w-])${literal(name)}(?![\\w-])`, 'gi');

/** Matches the text of /proc/self/cgroup, and questions for the files of a control group. */
const hasGroups = /^(?:\d+:[^:\n]*:\/|(?:file )?\/sys\/fs\/cgroup\/)/;

// Returns a pattern for a name in the name of a group, whose parts are joined with `-` and `_`. systemd writes a `-` within
// a part as `\x2d`.
const inGroup = (name: string) =>
  new RegExp(
    `(?:(?<![a-z0-9])|(?<=\\\\x2d))${literal(name).replaceAll('\\-', '(?:-|\\\\x2d)')}(?![a-z0-9])`,
    'gi',
  );

function cloudIdsReplaced(answers: Recording['answers']): Recording['answers'] {
  const replace = (key: string, value: unknown) => {
    if (!key.startsWith('metadata ') || typeof value !== 'string') return value;
    if (/\/(?:instance-id|instance\/id)$/.test(key)) return value.replace(/[0-9a-f]/g, '0');
    return value.replace(/^projects\/\d+\//, 'projects/1/');
  };
  return Object.fromEntries(Object.entries(answers).map(([key, value]) => [key, replace(key, value)]));
}
