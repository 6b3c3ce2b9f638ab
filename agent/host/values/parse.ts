// Reading what drivers and tools write: PCI addresses, numbers, sizes, all of which may be missing or nonsense.

/**
 * A PCI address as sysfs writes it, `0000:01:00.0`, from any of the forms that tools use (`01:00.0`, `00000000:01:00.0`,
 * capitals, words after it); undefined for anything else.
 */
export function pciAddress(text: string | undefined): string | undefined {
  const match = /^\s*(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])(?![0-9a-z])/i.exec(
    text ?? '',
  );
  if (!match) return undefined;
  const [, domain = '0', bus = '', device = '', fn = ''] = match;
  const hex = (part: string, width: number) => Number.parseInt(part, 16).toString(16).padStart(width, '0');
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
}

/** A whole number that is not negative, alone in `text`. */
export function wholeNumber(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,16})\s*$/.exec(text ?? '')?.[1];
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A decimal number that is not negative, alone in `text`. */
export function decimalNumber(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,15}(?:\.\d{1,9})?)\s*$/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Bytes to whole MiB, as Bacalhau rounds; undefined for what is no number of bytes. */
export function mebibytes(bytes: number | undefined): number | undefined {
  if (bytes === undefined || !Number.isFinite(bytes) || bytes < 0 || bytes > Number.MAX_SAFE_INTEGER)
    return undefined;
  return Math.floor(bytes / 1_048_576);
}

/** `value` if it is a number between the bounds, rounded to a tenth: a sensor may say anything. */
export function plausible(value: number | undefined, least: number, most: number): number | undefined {
  if (value === undefined || !(value >= least && value <= most)) return undefined;
  return Math.round(value * 10) / 10;
}

/** The number that a maker gives a GPU. */
export function ordinal(value: number | undefined): number | undefined {
  return Number.isInteger(value) ? plausible(value, 0, 65_535) : undefined;
}

/** The value after `key:` at the start of a line of `text`. */
export function lineValue(text: string | undefined, key: string): string | undefined {
  for (const line of (text ?? '').split('\n')) {
    const at = line.indexOf(':');
    if (at > 0 && line.slice(0, at).trim().toLowerCase() === key.toLowerCase())
      return line.slice(at + 1).trim();
  }
  return undefined;
}

/** JSON as an object; undefined for anything else. Words that a tool writes before it are skipped. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  try {
    return asObject(JSON.parse(text.slice(start)));
  } catch {
    // A tool that fails half-way writes half a document: it has said nothing.
    return undefined;
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A member of a tool's JSON as text, whatever the case of its name; tools write numbers as text, or not. */
export function member(
  object: Readonly<Record<string, unknown>>,
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    for (const [key, value] of Object.entries(object)) {
      if (key.toLowerCase() !== name.toLowerCase()) continue;
      if (typeof value === 'string') return value;
      if (typeof value === 'number') return String(value);
    }
  }
  return undefined;
}
