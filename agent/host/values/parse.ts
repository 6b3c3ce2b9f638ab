// Parses the output of drivers and tools: PCI addresses, numbers and sizes. Each value may be missing or wrong.

/**
 * Returns a PCI address as sysfs writes it, `0000:01:00.0`, for each form that tools use (`01:00.0`, `00000000:01:00.0`,
 * upper case, words after it). Returns undefined for any other text.
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

/** Returns the whole number in `text`. Returns undefined when it is negative, or when the text contains anything else. */
export function wholeNumber(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,16})\s*$/.exec(text ?? '')?.[1];
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Returns the decimal number in `text`. Returns undefined when it is negative, or when the text contains anything else.
 */
export function decimalNumber(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,15}(?:\.\d{1,9})?)\s*$/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Converts bytes to whole MiB, rounded down as Bacalhau does. Returns undefined for an impossible number of bytes. */
export function mebibytes(bytes: number | undefined): number | undefined {
  if (bytes === undefined || !Number.isFinite(bytes) || bytes < 0 || bytes > Number.MAX_SAFE_INTEGER)
    return undefined;
  return Math.floor(bytes / 1_048_576);
}

/**
 * Returns `value` rounded to a tenth if it is within the bounds, otherwise undefined, because a sensor may report
 * anything.
 */
export function plausible(value: number | undefined, least: number, most: number): number | undefined {
  if (value === undefined || !(value >= least && value <= most)) return undefined;
  return Math.round(value * 10) / 10;
}

/** Returns `value` if it can be the number of a GPU in a vendor's tool. */
export function ordinal(value: number | undefined): number | undefined {
  return Number.isInteger(value) ? plausible(value, 0, 65_535) : undefined;
}

/** Returns the value after `key:` in the first line of `text` that starts with it, in upper or lower case. */
export function lineValue(text: string | undefined, key: string): string | undefined {
  for (const line of (text ?? '').split('\n')) {
    const at = line.indexOf(':');
    if (at > 0 && line.slice(0, at).trim().toLowerCase() === key.toLowerCase())
      return line.slice(at + 1).trim();
  }
  return undefined;
}

/** Parses a JSON object. Words that a tool writes before it are skipped. Returns undefined for anything else. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  try {
    return asObject(JSON.parse(text.slice(start)));
  } catch {
    // A tool that fails in the middle writes only a part of a document, which counts as no answer.
    return undefined;
  }
}

/** Returns `value` if it is an object and not an array. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/**
 * Returns a member of a tool's JSON as text: the first of `names` that exists, in upper or lower case. Some tools write
 * numbers as text and some do not, so both are read.
 */
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
