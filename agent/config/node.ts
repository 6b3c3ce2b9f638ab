// Kinds of settings that describe the node: how much of it may be used, and its labels.
import { type Kind, pairsOf, Refusal, textOf } from './kind.ts';
import { formatPercent, formatSize, parsePercent, parseSize } from './units.ts';

/** How much of a resource the cluster may use: a share of what the machine has, or an amount (cores, bytes, GPUs). */
export type Allocation = { readonly percent: number } | { readonly amount: number };

/** `80%`, cores as `2` or `1.5`, or thousandths of a core as `500m`. */
export const cpuAllocation = allocation(
  text => (/^\d{1,9}m$/.test(text) ? Number(text.slice(0, -1)) / 1000 : decimal(text)),
  cores => (Number.isInteger(cores) ? `${cores}` : `${Math.round(cores * 1000)}m`),
  'a share or a number of cores; allowed: like 80%, 2, 1.5, 500m',
);

/** `80%`, or a size. */
export const sizeAllocation: Kind<Allocation> = {
  ...allocation(parseSize, formatSize, 'a share or a size; allowed: like 80%, 8GB, 8GiB'),
  unit: 'bytes',
};

/** `100%`, or a number of GPUs. */
export const gpuAllocation = allocation(
  text => (/^\d{1,4}$/.test(text) ? Number(text) : undefined),
  String,
  'a share or a number of GPUs; allowed: like 100%, 2',
);

/** A size in bytes. */
export const size: Kind<number> = {
  name: 'size',
  unit: 'bytes',
  read(input) {
    const value = parseSize(textOf(input));
    if (value === undefined) throw new Refusal('is not a size; allowed: like 8GB, 8GiB');
    return value;
  },
  plain: formatSize,
};

const label = {
  key: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
  value: /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{0,255}$/,
  count: 64,
};

/** Labels: at most 64, keys of 1 to 63 letters, digits and `. _ / -`, values of at most 255 characters on one line. */
export const labels: Kind<Readonly<Record<string, string>>> = {
  name: 'map',
  read(input) {
    const pairs = pairsOf(input);
    const found = new Map<string, string>();
    for (const [key, value] of pairs) {
      if (!label.key.test(key)) {
        throw new Refusal(
          'is not a label; allowed: 1 to 63 letters, digits and . _ / -, first a letter or digit',
          `"${key}"`,
        );
      }
      if (!label.value.test(value)) {
        throw new Refusal(
          'has a value that is not allowed; allowed: at most 255 characters on one line',
          `"${key}"`,
        );
      }
      if (found.has(key)) throw new Refusal('is given twice; allowed: each label once', `"${key}"`);
      found.set(key, value);
    }
    if (found.size > label.count)
      throw new Refusal(`are too many; allowed: ${label.count}`, `${found.size} labels`);
    return Object.fromEntries(found);
  },
  plain: value => value,
};

function allocation(
  parse: (text: string) => number | undefined,
  format: (amount: number) => string,
  wanted: string,
): Kind<Allocation> {
  return {
    name: 'allocation',
    read(input) {
      const text = textOf(input);
      const percent = parsePercent(text);
      if (percent !== undefined) return { percent };
      const amount = parse(text);
      if (amount === undefined) throw new Refusal(`is not ${wanted}`);
      return { amount };
    },
    plain: value => ('percent' in value ? formatPercent(value.percent) : format(value.amount)),
  };
}

function decimal(text: string): number | undefined {
  return /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : undefined;
}
