// Reads the ids and the labels on a command line: `node-1 node-2 rack=b7 spare-`.
import { keyFault, type LabelChange, labelRule, valueFault } from '../../../protocol/label.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';

export interface LabelLine {
  ids: string[];
  labels: LabelChange;
  /** The words that say the labels. */
  words: string[];
}

/**
 * Divides the words of a command line into ids and labels. The first word is an id in any case, because the id of a node may end
 * with a dash, except where a selection chooses the nodes. @throws MusterError `usage` for a label that breaks the rule or is
 * given twice, for an id behind a label, and when there is no label
 */
export function readLabelLine(rest: readonly string[], isSelection: boolean): LabelLine {
  const isLabel = (word: string, index: number) =>
    isSelection || word.includes('=') || (index > 0 && word.endsWith('-'));
  const at = rest.findIndex(isLabel);
  const ids = at < 0 ? [...rest] : rest.slice(0, at);
  const words = at < 0 ? [] : rest.slice(at);
  if (words.length === 0) throw noLabels(ids);
  const labels = new Map<string, string | null>();
  for (const word of words) {
    const [key, value] = readLabel(word);
    if (labels.has(key))
      throw new MusterError('usage', `the label ${key} is given twice`, { hint: 'name each label once' });
    labels.set(key, value);
  }
  if (labels.size > labelRule.count)
    throw new MusterError('usage', `${labels.size} labels are too many; allowed: ${labelRule.count}`);
  return { ids, words, labels: Object.fromEntries(labels) };
}

/** Without a value, a word behind an id looks like the key of a label, and would be the id of another node. */
function noLabels(ids: readonly string[]): MusterError {
  const [, word] = ids;
  const what = 'node label needs labels: KEY=VALUE to set one, KEY- to remove one';
  if (word === undefined || ids.length > 2)
    return new MusterError('usage', what, { hint: 'such as: muster node label node-1 rack=b7 spare-' });
  const key = printable(word, 128);
  return new MusterError('usage', `${what}; "${key}" is neither`, {
    hint: `${key}=VALUE sets the label ${key}, and ${key}- removes it`,
  });
}

function readLabel(word: string): [key: string, value: string | null] {
  const equals = word.indexOf('=');
  if (equals < 0 && !word.endsWith('-'))
    throw new MusterError(
      'usage',
      `"${printable(word, 128)}" is no label; expected KEY=VALUE, or KEY- to remove one`,
      {
        hint: 'ids come before the labels, and not together with a selection',
      },
    );
  const key = equals < 0 ? word.slice(0, -1) : word.slice(0, equals);
  const value = equals < 0 ? null : word.slice(equals + 1);
  const ofKey = keyFault(key);
  if (ofKey) throw notAllowed(`the label "${key}"`, ofKey, labelRule.keyText);
  const ofValue = value === null ? undefined : valueFault(value);
  if (ofValue) throw notAllowed(`the value of ${key}`, ofValue, labelRule.valueText);
  return [key, value];
}

const notAllowed = (what: string, fault: string, allowed: string): MusterError =>
  new MusterError('usage', `${printable(what, 256)} is not allowed: ${fault}`, {
    hint: `allowed: ${allowed}`,
  });
