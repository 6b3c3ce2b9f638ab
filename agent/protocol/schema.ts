// Defines the parts of message schemas. They read JSON as Go does: member names in any case, null for empty, strict types.
import * as v from 'valibot';
import { ProtocolError } from './error.ts';
import { noteUnknown } from './unknown-members.ts';
import { objectReader, type ReadConfig, unusual, withUsual } from './usual-form.ts';

/**
 * Returns a schema for an object with these members. Other members are dropped, or kept by `validateStored`. Names match
 * in any case, but an exact match is used first. Null leaves an optional member unset, as in Go.
 */
export function struct<const T extends v.ObjectEntries>(entries: T) {
  const byLower = new Map(Object.keys(entries).map(name => [name.toLowerCase(), name]));
  // Go reads an absent struct as one with zero members. An absent optional member stays absent.
  const zeroed = Object.entries(entries).filter(([, entry]) => !/^(optional|nullish)$/.test(entry.type));
  // What has the usual spelling needs no copy.
  const isCanonical = (value: Record<string, unknown>) =>
    zeroed.every(([name]) => Object.hasOwn(value, name)) &&
    Object.keys(value).every(
      name => Object.hasOwn(entries, name) && (value[name] !== null || entries[name]?.type !== 'optional'),
    );
  const canonical = (value: Record<string, unknown>) => {
    if (isCanonical(value)) return value;
    const out: Record<string, unknown> = {};
    for (const [name] of zeroed) out[name] = undefined;
    for (const key of Object.keys(value)) {
      const name = byLower.get(key.toLowerCase());
      if (name === undefined || (key !== name && Object.hasOwn(value, name))) continue;
      if (value[key] !== null || entries[name]?.type !== 'optional') out[name] = value[key];
    }
    return out;
  };
  const schema = v.pipe(
    v.unknown(),
    v.transform(value => value ?? {}),
    v.check(value => typeof value === 'object' && !Array.isArray(value), 'expected an object'),
    v.transform(value => canonical(value as Record<string, unknown>)),
    v.object(entries),
  );
  const isKnown = (name: string) => Object.hasOwn(entries, name) || byLower.has(name.toLowerCase());
  const run: (typeof schema)['~run'] = (dataset, config) => {
    const source = dataset.value;
    const result = schema['~run'](dataset, config);
    const isStored = (config as ReadConfig).keepsUnknown === true;
    if (isStored && result.typed && typeof source === 'object' && source !== null)
      noteUnknown(result.value, source, isKnown);
    return result;
  };
  return withUsual({ ...schema, '~run': run }, objectReader(entries));
}

/** Returns a schema for text of at most `maxLength` characters. A missing text or null is read as empty. */
export const text = (maxLength: number) => v.nullish(v.pipe(v.string(), v.maxLength(maxLength)), '');

/** Returns a schema for a list of short texts, or for null, which Go writes for an empty list. */
export const texts = (items = 256, limit = 256) => v.nullish(textList(items, limit), null);

/** Returns a schema for a list of texts that older versions do not send. An absent list stays absent. */
export const newerTexts = (items: number, limit: number) => v.nullish(textList(items, limit));

const textList = (items: number, limit: number) =>
  v.pipe(v.array(v.pipe(v.string(), v.maxLength(limit))), v.maxLength(items));

/** Returns a schema for a whole number from 0 to 2^53-1. A missing number or null is read as 0. */
export const count = () => v.nullish(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0);

/** Returns a schema for a finite number that is not negative. A missing number or null is read as 0. */
export const amount = () => v.nullish(v.pipe(v.number(), v.finite(), v.minValue(0)), 0);

/** Returns a schema for a map of at most 256 texts, or for null, which Go writes for an empty map. */
export const textMap = () => v.nullish(strictTextMap(256, 256, 1024), null);

/**
 * Returns a schema for a map of texts. valibot's `record` is not used: it accepts lists, and drops keys such as
 * `constructor`.
 */
export const strictTextMap = (maxKeys: number, maxKey: number, maxValue: number) =>
  withUsual(checkedTextMap(maxKeys, maxKey, maxValue), value =>
    isTextMap(value, maxKeys, maxKey, maxValue) ? value : unusual,
  );

function isTextMap(map: unknown, maxKeys: number, maxKey: number, maxValue: number): boolean {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return false;
  let keys = 0;
  for (const key in map) {
    const value: unknown = (map as Record<string, unknown>)[key];
    if (++keys > maxKeys || key.length > maxKey || typeof value !== 'string' || value.length > maxValue)
      return false;
  }
  return true;
}

const checkedTextMap = (maxKeys: number, maxKey: number, maxValue: number) =>
  v.pipe(
    v.custom<Record<string, string>>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      'expected an object',
    ),
    v.check(map => Object.keys(map).length <= maxKeys, `more than ${maxKeys} keys`),
    v.rawCheck(({ dataset: { typed, value: input }, addIssue }) => {
      if (!typed) return;
      for (const [key, value] of Object.entries(input)) {
        const fault = textFault(key, maxKey) ?? textFault(value, maxValue);
        if (fault)
          addIssue({ message: fault, path: [{ type: 'object', origin: 'value', input, key, value }] });
      }
    }),
  );

function textFault(value: unknown, limit: number): string | undefined {
  if (typeof value !== 'string') return 'expected text';
  return value.length > limit ? `longer than ${limit} characters` : undefined;
}

/** A node's id. It can be one token of a subject and a key of a bucket. */
export const nodeIdPattern = /^[A-Za-z0-9_-]{1,128}$/;
/** The same for people. */
export const nodeIdRule = 'an id is 1 to 128 letters, digits, - and _';
export const nodeId = () =>
  v.pipe(v.string(), v.regex(nodeIdPattern, 'a node id is 1 to 128 of the characters A-Z a-z 0-9 _ -'));

/** The ids that nodes of an orchestrator of Bacalhau may have. They are keys of a bucket, and can be more than one token. */
export const orchestratorNodeIdPattern = /^[A-Za-z0-9_/=.-]{1,256}$/;

/** Whether a command line takes this id for a flag. No new node may have such an id. */
export const looksLikeFlag = (id: string): boolean => id.startsWith('-');

/**
 * Returns `value` as `schema` reads it.
 * @throws ProtocolError `invalid_field` with the name of the first field that is wrong.
 */
export function validate<const T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  return read(schema, value, fromNode);
}

const fromNode: ReadConfig = { abortEarly: true };

/**
 * Validates what a requester has stored, as `validate` does, and keeps members that the schema does not know, as
 * unknown-members.ts says. What comes from a node is read by `validate`.
 */
export function validateStored<const T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  return read(schema, value, { abortEarly: true, keepsUnknown: true });
}

function read<const T extends v.GenericSchema>(
  schema: T,
  value: unknown,
  config: ReadConfig,
): v.InferOutput<T> {
  const { issues, value: output } = schema['~run']({ value }, config);
  if (!issues) return output;
  const [issue] = issues;
  const field = issue.path?.map(item => String(item.key)).join('.') ?? '';
  throw new ProtocolError('invalid_field', issue.message.slice(0, 200), field.slice(0, 200));
}
