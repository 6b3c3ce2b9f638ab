// What tells one machine from another of its kind, replaced in a recording: the same thing by the same thing everywhere.
import type { Recording } from './recording.ts';

/**
 * `recording` with serial numbers, UUIDs and other long identifiers, MAC addresses, host names, cloud instance ids and project
 * numbers replaced. Facts that refer to each other by them still do.
 */
export function anonymous(recording: Recording): Recording {
  const names = new Replacements();
  const hosts = hostNames(recording);
  const replace = (text: string) => withoutNames(withoutIds(text, names), hosts);
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

/** Numbers what it replaces, in the order of first sight. */
class Replacements {
  readonly #numbers = new Map<string, number>();

  of(found: string): number {
    const key = found.toLowerCase();
    const number = this.#numbers.get(key) ?? this.#numbers.size + 1;
    this.#numbers.set(key, number);
    return number;
  }
}

/** Anywhere, as Kubernetes writes `pod` before one, and `_` within where systemd reads `-` as a level of its own. */
const uuid = /[0-9a-f]{8}([-_])(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}/gi;
const mac = /\b(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}\b/gi;
/** Machine ids, container ids: no address or mask of the kernel's is so long. */
const longHex = /[0-9a-f]{32,}/gi;
/** `"serial_number": "…"`, `Serial Number : …`, `SN: …`, `Unique ID: …`; what says that there is none may stay. */
const serial =
  /((?:serial(?:[ _-]?(?:number|no))?|\bSN|unique[ _-]?id)"?\s*[:=]\s*"?)(?!unknown|n\/a|none|0["\s,}\]])([^"\s,][^",\n]*)/gi;

function withoutIds(text: string, names: Replacements): string {
  return text
    .replace(serial, (_, before, value) => before + withoutSerial(before, value))
    .replace(uuid, (found, joint: string) => {
      const number = names.of(found.replaceAll('_', '-'));
      return ['00000000', '0000', '4000', '8000', hex(number, 12)].join(joint);
    })
    .replace(mac, found => `02:00:00:00:00:${hex(names.of(found), 2).slice(-2)}`)
    .replace(longHex, found => hex(names.of(found), found.length));
}

// What stands bare in JSON is a number, a list of them, or nothing: it stays JSON.
function withoutSerial(before: string, value: string): string {
  const bare = /"\s*:\s*$/.test(before) && /^(?:[-\d[{]|null\b)/.test(value);
  return bare ? value.replace(/-?\d[^\]}]*/g, '"replaced"') : 'replaced';
}

const hex = (number: number, length: number): string => number.toString(16).padStart(length, '0');

/** The host's name and its first part. A short or everyday one would be found where it names nothing. */
function hostNames({ system: { hostname }, answers }: Recording): string[] {
  const release = String(answers['file /etc/os-release'] ?? answers['file /usr/lib/os-release'] ?? '');
  return [hostname, hostname.split('.', 1)[0] ?? ''].filter(
    name =>
      name.length >= 4 &&
      !/^local(?:host)?(?:\.|$)/.test(name) &&
      !everyday.test(name) &&
      // Installers name a machine `debian` or `fedora`.
      !asWord(name).test(release),
  );
}

/** Words of our own questions and of their answers, without which nothing can be replayed. */
const everyday =
  /^(?:amdgpu|cgroup|class|cpuacct|cpuset|devices?|drivers?|file|folder|gpus|hwmon|i915|information|inventory|kernel|link|linux|meminfo|memory|metadata|module|nouveau|nvidia|nvml|proc|random|resource|rocm-smi|self|space|status|tool|unified|vendor|version|xpu-smi|nvidia-smi)$/i;

function withoutNames(text: string, names: readonly string[]): string {
  const pattern = ofGroups.test(text) ? inGroup : asWord;
  return names.reduce((rest, name) => rest.replace(pattern(name), 'host-1'), text);
}

const literal = (name: string): string => name.replace(/[^\w]/g, '\\$&');
const asWord = (name: string) => new RegExp(`(?<![\\w-])${literal(name)}(?![\\w-])`, 'gi');

/** /proc/self/cgroup, and what is named after the groups in it. */
const ofGroups = /^(?:\d+:[^:\n]*:\/|(?:file )?\/sys\/fs\/cgroup\/)/;

// Names of groups are joined with `-` and `_`, and systemd writes a `-` within them as `\x2d`.
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
