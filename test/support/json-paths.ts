// Changes a copy of a JSON value at one place.

export type Path = readonly (string | number)[];

/** Returns every place in `value` below its root: members and list items, a container before what it contains. */
export function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys.flatMap(key => {
    const path = [...at, key];
    return [path, ...pathsOf((value as Record<string | number, unknown>)[key], path)];
  });
}

export const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)?.[key], value);

/** Returns a copy with `replacement` at `path`. Missing objects on the way are made. */
export function withValue(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = valueAt(value, [key]);
  const next = withValue(inner ?? {}, rest, replacement);
  // An assignment to `__proto__` would set the prototype. Here it is a member like any other.
  Object.defineProperty(copy, key, { value: next, enumerable: true, configurable: true, writable: true });
  return copy;
}

/** Returns a copy without the member at `path`. */
export function withoutMember(value: unknown, path: Path): unknown {
  const { [path.at(-1) ?? '']: _, ...rest } = valueAt(value, path.slice(0, -1)) as Record<string, unknown>;
  return withValue(value, path.slice(0, -1), rest);
}
