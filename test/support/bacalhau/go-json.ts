// Reads JSON as strictly as the programs of Bacalhau do: they are written in Go, which refuses a member of another type, ignores one
// that it does not know, and takes null for nothing.

/** What a member has to be. A struct has the members that are known. */
export type GoType =
  | 'string'
  | 'bool'
  | 'float64'
  | 'int'
  | 'uint64'
  | 'time'
  | 'duration'
  | 'nodeType'
  | { list: GoType }
  | { map: GoType }
  | { struct: Readonly<Record<string, GoType>> };

const kinds: Readonly<Record<Extract<GoType, string>, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  bool: value => typeof value === 'boolean',
  float64: value => typeof value === 'number',
  int: value => Number.isInteger(value),
  uint64: value => Number.isInteger(value) && Number(value) >= 0,
  time: value =>
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value)),
  duration: value => typeof value === 'string' && /^(\d+(\.\d+)?(h|m|s|ms))+$/.test(value),
  // A node of any other type makes the command line refuse the whole list.
  nodeType: value => typeof value === 'string' && /^(requester|compute)$/i.test(value),
};

/** Returns what Go would read from `value`: only the known members, without those that are null. @throws Error for another type */
export function readGo(type: GoType, value: unknown, path = ''): unknown {
  if (value === null || value === undefined) return undefined;
  if (typeof type === 'string') {
    if (kinds[type](value)) return value;
    throw new Error(`json: cannot unmarshal ${JSON.stringify(value)} into ${path} of type ${type}`);
  }
  const isList = Array.isArray(value);
  if (typeof value !== 'object' || isList !== 'list' in type)
    throw new Error(`json: cannot unmarshal ${JSON.stringify(value)} into ${path}`);
  if ('list' in type)
    return (value as unknown[]).map((one, index) => readGo(type.list, one, `${path}.${index}`));
  const members = Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    if ('map' in type) return [[name, readGo(type.map, member, `${path}.${name}`)]];
    const known = Object.keys(type.struct).find(each => each.toLowerCase() === name.toLowerCase());
    const knownType = known === undefined ? undefined : type.struct[known];
    return known && knownType ? [[known, readGo(knownType, member, `${path}.${known}`)]] : [];
  });
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}
