// What tells one machine from another of its kind, replaced in a recording: the same thing by the same thing everywhere.
import type { Recording } from './recording.ts';

/**
 * `recording` with serial numbers, UUIDs and other long identifiers, MAC addresses, host names, cloud instance ids and project
 * numbers replaced. Facts that refer to each other by them still do.
 */
export function anonymous(recording: Recording): Recording {
  const names = new Replacements();
  const { hostname } = recording.system;
  const replace = (text: string) => withoutNames(withoutIds(text, names), hostname);
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
  /((?:serial(?:[ _-]?(?:number|no))?|\bSN|unique[ _-]?id)"?\s*[:=]\s*"?)(?!unknown|n\/a|none|0["\s,])([^"\s,][^",\n]*)/gi;

function withoutIds(text: string, names: Replacements): string {
  return text
    .replace(serial, (_, before) => `${before}replaced`)
    .replace(uuid, (found, joint: string) => {
      const number = names.of(found.replaceAll('_', '-'));
      return ['00000000', '0000', '4000', '8000', hex(number, 12)].join(joint);
    })
    .replace(mac, found => `02:00:00:00:00:${hex(names.of(found), 2).slice(-2)}`)
    .replace(longHex, found => hex(names.of(found), found.length));
}

const hex = (number: number, length: number): string => number.toString(16).padStart(length, '0');

// A short or everyday name would be found where it names nothing.
function withoutNames(text: string, hostname: string): string {
  const names = [hostname, hostname.split('.', 1)[0] ?? ''].filter(
    name => name.length >= 4 && !/^local(?:host)?(?:\.|$)/.test(name),
  );
  return names.reduce((rest, name) => {
    const literal = name.replace(/[^\w]/g, '\\$&');
    return rest.replace(new RegExp(`(?<![\\w-])${literal}(?![\\w-])`, 'gi'), 'host-1');
  }, text);
}

function cloudIdsReplaced(answers: Recording['answers']): Recording['answers'] {
  const replace = (key: string, value: unknown) => {
    if (!key.startsWith('metadata ') || typeof value !== 'string') return value;
    if (/\/(?:instance-id|instance\/id)$/.test(key)) return value.replace(/[0-9a-f]/g, '0');
    return value.replace(/^projects\/\d+\//, 'projects/1/');
  };
  return Object.fromEntries(Object.entries(answers).map(([key, value]) => [key, replace(key, value)]));
}
