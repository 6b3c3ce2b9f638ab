// Reads values in their usual form many times as fast as their schemas do: valid values of JSON without any members that the
// schema does not know. What has another form is left to the schema, which says what is wrong with it.
import type * as v from 'valibot';

/** What a reader returns for a value that is not in the usual form. */
export const unusual = Symbol('unusual');

/** The configuration with which a schema reads. */
export interface ReadConfig extends v.Config<v.BaseIssue<unknown>> {
  /** Whether members that no schema knows are kept. */
  keepsUnknown?: boolean;
  /** Whether the schemas read everything themselves, which a test compares with what the readers read. */
  isPlain?: boolean;
}

/**
 * Returns what the schema makes of a value, or `unusual`. It is the value itself when it needs no change. `config` is that
 * with which the schema reads.
 */
export type UsualReader = (value: unknown, config: ReadConfig) => unknown;

/** The members of a schema, and of an action in its pipe, as valibot publishes them. */
interface Part {
  kind: string;
  type: string;
  pipe?: readonly Part[];
  wrapped?: Part;
  item?: Part;
  default?: unknown;
  options?: readonly unknown[];
  requirement?: unknown;
  operation?: (value: unknown) => unknown;
  '~run'(
    dataset: { value: unknown; typed: boolean },
    config: ReadConfig,
  ): { value: unknown; issues?: unknown };
}

/** The schemas that bring their own readers. A schema that is made from another one, as by `pipe`, does not inherit its reader. */
const ownReaders = new WeakMap<object, UsualReader>();

/** Returns a schema that reads by `read` what that can read. The reader must return what the schema would. */
export function withUsual<const T extends v.GenericSchema>(schema: T, read: UsualReader): T {
  const run: T['~run'] = (dataset, config) => {
    const value = (config as ReadConfig).isPlain ? unusual : read(dataset.value, config);
    return value === unusual ? schema['~run'](dataset, config) : { typed: true, value };
  };
  const fast = { ...schema, '~run': run };
  ownReaders.set(fast, read);
  return fast;
}

interface Field {
  name: string;
  read: UsualReader;
  mayBeAbsent: boolean;
  /** Whether it may be absent, and stays so. */
  staysAbsent: boolean;
  /** Whether null means that the member is absent. */
  mayBeNull: boolean;
  /** What an absent member is read as; undefined when it stays absent. */
  standIn: unknown;
}

/** Returns the reader of a schema. */
export const usualReader = (schema: v.GenericSchema): UsualReader => readerOf(schema as unknown as Part);

/** Returns the reader of an object with these members. Its result has them in this order. */
export function objectReader(entries: v.ObjectEntries): UsualReader {
  const fields = Object.entries(entries).map(([name, entry]) => fieldOf(name, entry as unknown as Part));
  return (value, config) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return unusual;
    const members = value as Record<string, unknown>;
    if (isInOrder(members, fields)) return readPresent(members, fields, config);
    let present = 0;
    // What was read of each member; undefined while it is the same as what was given.
    let results: unknown[] | undefined;
    let standsIn = false;
    for (let index = 0; index < fields.length; index++) {
      const { name, read, mayBeAbsent, standIn, mayBeNull } = fields[index] as Field;
      const given = members[name];
      if (given === undefined ? !mayBeAbsent : given === null && mayBeNull) return unusual;
      if (given !== undefined) present++;
      const result = given === undefined ? standIn : read(given, config);
      if (result === unusual) return unusual;
      if (result !== given) {
        results ??= fields.slice(0, index).map(field => members[field.name]);
        standsIn ||= given === undefined;
      }
      results?.push(result);
    }
    const order = orderOf(members, fields);
    if (order.count !== present) return unusual;
    if (!results && order.isKept) return value;
    // A copy has the shape of what was parsed, which takes less memory than one that is built member by member.
    const read: Record<string, unknown> = order.isKept && !standsIn ? { ...members } : {};
    fields.forEach(({ name }, index) => {
      const result = results ? results[index] : members[name];
      if (result !== undefined && read[name] !== result) read[name] = result;
    });
    return read;
  };
}

function fieldOf(name: string, entry: Part): Field {
  const read = readerOf(entry);
  const isOptional = entry.type === 'optional' || entry.type === 'nullish';
  const standIn = isOptional && entry.default !== undefined ? read(entry.default, {}) : undefined;
  const mayBeAbsent = isOptional && standIn !== unusual;
  const staysAbsent = mayBeAbsent && standIn === undefined;
  return { name, read, mayBeAbsent, staysAbsent, mayBeNull: entry.type === 'optional', standIn };
}

/**
 * Returns whether an object has only known members, in their order, and none that is absent has a stand-in. Nothing is read to find
 * that out, because whoever reads a member twice reads those within it four times.
 */
function isInOrder(members: Record<string, unknown>, fields: readonly Field[]): boolean {
  let at = 0;
  for (const name in members) {
    let field = fields[at++];
    while (field && field.name !== name) {
      if (!field.staysAbsent) return false;
      field = fields[at++];
    }
    const given = members[name];
    if (!field || given === undefined || (given === null && field.mayBeNull)) return false;
  }
  while (at < fields.length) if (!fields[at++]?.staysAbsent) return false;
  return true;
}

/** Reads an object whose members are in order. Most have few of the members that they may have, so only those are looked at. */
function readPresent(
  members: Record<string, unknown>,
  fields: readonly Field[],
  config: ReadConfig,
): unknown {
  let read = members;
  let at = 0;
  for (const name in members) {
    while (at < fields.length && fields[at]?.name !== name) at++;
    const given = members[name];
    const result = fields[at++]?.read(given, config);
    if (result === unusual) return unusual;
    if (result === given) continue;
    // A copy has the shape of what was parsed, which takes less memory than one that is built member by member.
    if (read === members) read = { ...members };
    read[name] = result;
  }
  return read;
}

function orderOf(members: Record<string, unknown>, fields: readonly Field[]) {
  let count = 0;
  let at = 0;
  for (const name in members) {
    count++;
    while (at < fields.length && fields[at]?.name !== name) at++;
    at++;
  }
  return { count, isKept: at <= fields.length };
}

// A part that is not known here is run as it is.
function readerOf(part: Part): UsualReader {
  const own = ownReaders.get(part);
  if (own) return own;
  const [first, ...steps] = part.pipe ?? [];
  if (!first) return plainReader(part);
  const read = readerOf(first);
  const passes = steps.map(stepReader);
  return (value, config) => {
    let result = read(value, config);
    for (let index = 0; index < passes.length && result !== unusual; index++)
      result = (passes[index] as UsualReader)(result, config);
    return result;
  };
}

function plainReader(part: Part): UsualReader {
  const { type, wrapped, item, default: standIn } = part;
  if (type === 'string' || type === 'boolean') return value => (typeof value === type ? value : unusual);
  if (type === 'number')
    return value => (typeof value === 'number' && !Number.isNaN(value) ? value : unusual);
  if (type === 'picklist') {
    const options = new Set(part.options);
    return value => (options.has(value) ? value : unusual);
  }
  if (type === 'optional' && wrapped) return readerOf(wrapped);
  if (type === 'nullish' && wrapped) {
    const read = readerOf(wrapped);
    const ofNull = standIn === undefined ? null : standIn === null ? null : read(standIn, {});
    return (value, config) => (value === null ? ofNull : read(value, config));
  }
  if (type === 'array' && item) return listReader(readerOf(item));
  return runner(part);
}

function listReader(read: UsualReader): UsualReader {
  return (value, config) => {
    if (!Array.isArray(value)) return unusual;
    let changed: unknown[] | undefined;
    for (let index = 0; index < value.length; index++) {
      const result = read(value[index], config);
      if (result === unusual) return unusual;
      if (result !== value[index]) changed ??= value.slice();
      if (changed) changed[index] = result;
    }
    return changed ?? value;
  };
}

function stepReader(step: Part): UsualReader {
  const { type, requirement, operation } = step;
  if (step.kind === 'schema') return readerOf(step);
  if (type === 'max_length') {
    const most = Number(requirement);
    return value => ((value as { length: number }).length <= most ? value : unusual);
  }
  if (type === 'min_value' && typeof requirement === 'number')
    return value => (Number(value) >= requirement ? value : unusual);
  if (type === 'safe_integer') return value => (Number.isSafeInteger(value) ? value : unusual);
  if (type === 'finite') return value => (Number.isFinite(value) ? value : unusual);
  if (type === 'transform' && operation) return value => operation(value);
  return runner(step);
}

function runner(part: Part): UsualReader {
  return (value, config) => {
    const result = part['~run']({ value, typed: true }, config);
    return result.issues ? unusual : result.value;
  };
}
