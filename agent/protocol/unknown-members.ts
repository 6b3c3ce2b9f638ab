// Keeps the members of a stored object that this version does not know, so that it can be written back with them. A later
// version may have written them, and needs them again after a rollback.

/**
 * The key under which an object holds its unknown members. It is a symbol: a copy by `...` takes it along, but JSON,
 * comparisons of JSON and the API do not see it.
 */
const unknownMembers: unique symbol = Symbol('unknown members');

interface Keeper {
  [unknownMembers]?: Readonly<Record<string, unknown>>;
}

/** Notes in `value` the members of `source` whose names are not known. */
export function noteUnknown(value: object, source: object, isKnown: (name: string) => boolean): void {
  const unknown = Object.entries(source).filter(([name]) => !isKnown(name));
  // `Object.fromEntries` makes a member of any name, even of `__proto__`.
  if (unknown.length > 0) (value as Keeper)[unknownMembers] = Object.fromEntries(unknown);
}

/** Returns `value` with the unknown members of the object that it replaces. */
export function keepUnknown<T extends object>(value: T, replaced: object | undefined): T {
  const unknown = unknownOf(replaced);
  return unknown ? { ...value, [unknownMembers]: unknown } : value;
}

/** Returns the unknown members of an object; undefined when it has none. */
export const unknownOf = (value: object | undefined): Readonly<Record<string, unknown>> | undefined =>
  (value as Keeper | undefined)?.[unknownMembers];

/** Returns what is written as JSON, in which every object has its unknown members behind the known ones. Few records have some. */
export function withUnknown<T>(value: T): T {
  return hasUnknown(value) ? copyWithUnknown(value) : value;
}

function hasUnknown(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (unknownOf(value)) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  for (const name in value) if (hasUnknown((value as Record<string, unknown>)[name])) return true;
  return false;
}

function copyWithUnknown<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyWithUnknown) as T;
  const members = Object.entries(value).map(([name, member]) => [name, copyWithUnknown(member)]);
  return Object.fromEntries([...members, ...Object.entries(unknownOf(value) ?? {})]) as T;
}
