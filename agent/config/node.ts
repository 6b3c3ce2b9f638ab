// Defines the kinds of values that describe the node: how much of it the cluster may use, and its labels.
import { keyFault, labelRule as label, unprintable, valueFault } from '../protocol/label.ts';
import { bodyOf, commas, type Fragment, textFragment } from './fragment.ts';
import { Refusal, readPairs, readText, type SettingKind } from './kind.ts';
import { formatPercent, formatSize, parsePercent, parseSize, percentPattern, sizePattern } from './units.ts';

/**
 * The part of a resource that the cluster may use: a share of what the machine has, or an amount in cores, bytes or GPUs.
 */
export type Allocation = { readonly percent: number } | { readonly amount: number };

const cores = /^\d{1,6}(\.\d{1,3})?$/;
const thousandths = /^\d{1,9}m$/;
const count = /^\d{1,4}$/;

/** The kind of an allocation of CPU: `80%`, cores such as `2` or `1.5`, or thousandths of a core such as `500m`. */
export const cpuAllocation = allocation(
  [cores, thousandths],
  text =>
    thousandths.test(text) ? Number(text.slice(0, -1)) / 1000 : cores.test(text) ? Number(text) : undefined,
  cores => (Number.isInteger(cores) ? `${cores}` : `${Math.round(cores * 1000)}m`),
  'a share or a number of cores',
  'like 80%, 2, 1.5, 500m',
  999_999.999,
);

/** The kind of an allocation of memory or disk: `80%` or a size. */
export const sizeAllocation: SettingKind<Allocation> = {
  ...allocation([sizePattern], parseSize, formatSize, 'a share or a size', 'like 80%, 8GB, 8GiB'),
  unit: 'bytes',
};

/** The kind of an allocation of GPUs: `100%` or a number. */
export const gpuAllocation = allocation(
  [count],
  text => (count.test(text) ? Number(text) : undefined),
  String,
  'a share or a number of GPUs',
  'like 100%, 2',
  9999,
);

/** The kind of a size, in bytes. */
export const size: SettingKind<number> = {
  name: 'size',
  allowed: 'like 8GB, 8GiB',
  unit: 'bytes',
  schema: () => textFragment(bodyOf(sizePattern), 'like 8GB, 8GiB'),
  read(input) {
    const value = parseSize(readText(input));
    if (value === undefined) throw new Refusal('is not a size; allowed: like 8GB, 8GiB');
    return value;
  },
  plain: formatSize,
};

/**
 * The kind of labels: at most 64, with keys of 1 to 63 letters, digits and `. _ / -`, and values of at most 255 characters
 * on one line.
 */
export const labels: SettingKind<Readonly<Record<string, string>>> = {
  name: 'map',
  allowed: 'like { zone: eu, disk: ssd }',
  schema: labelsSchema,
  read(input) {
    const pairs = readPairs(input);
    const labels = new Map<string, string>();
    for (const [key, value] of pairs) {
      const ofKey = keyFault(key);
      if (ofKey) throw new Refusal(`is not a label: ${ofKey}; allowed: ${label.keyText}`, `"${key}"`);
      const ofValue = valueFault(value);
      if (ofValue)
        throw new Refusal(
          `has a value that is not allowed: ${ofValue}; allowed: ${label.valueText}`,
          `"${key}"`,
        );
      if (labels.has(key)) throw new Refusal('is given twice; allowed: each label once', `"${key}"`);
      labels.set(key, value);
    }
    if (labels.size > label.count)
      throw new Refusal(`are too many; allowed: ${label.count}`, `${labels.size} labels`);
    return Object.fromEntries(labels);
  },
  plain: value => value,
};

function labelsSchema(): Fragment {
  const key = bodyOf(label.key);
  const pairs = {
    pattern: commas(`${key}\\s*=\\s*(?!\\s)[^,${unprintable}]{0,255}`),
    patternErrorMessage: 'allowed: like zone=eu,disk=ssd',
  };
  return {
    type: ['object', 'array', 'string', 'null'],
    maxProperties: label.count,
    propertyNames: { pattern: label.key.source },
    additionalProperties: {
      type: ['string', 'number', 'boolean', 'null'],
      pattern: label.value.source,
      patternErrorMessage: `allowed: ${label.valueText}`,
    },
    ...pairs,
    items: { type: ['string', 'null'], ...pairs },
  };
}

/**
 * Returns the kind of an allocation: a share, or an amount in one of `forms`, which `parse` reads. `maximum` is the
 * largest number without quotes.
 */
function allocation(
  forms: readonly RegExp[],
  parse: (text: string) => number | undefined,
  format: (amount: number) => string,
  wanted: string,
  allowed: string,
  maximum?: number,
): SettingKind<Allocation> {
  const patterns = [percentPattern, ...forms].map(bodyOf);
  const range = maximum === undefined ? {} : { minimum: 0, maximum };
  return {
    name: 'allocation',
    allowed,
    schema: () => ({ ...textFragment(patterns.join('|'), allowed), ...range }),
    read(input) {
      const text = readText(input);
      const percent = parsePercent(text);
      if (percent !== undefined) return { percent };
      const amount = parse(text);
      if (amount === undefined) throw new Refusal(`is not ${wanted}; allowed: ${allowed}`);
      return { amount };
    },
    plain: value => ('percent' in value ? formatPercent(value.percent) : format(value.amount)),
  };
}
