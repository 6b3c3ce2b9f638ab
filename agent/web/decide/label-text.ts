// Reads the change of labels that an operator types: `rack=b7 spare-`.
import { type LabelChange, labelRule, pairFault } from '../../protocol/label.ts';

/** Returns the change, or what is wrong with the text as a sentence without a full stop. An empty text changes nothing. */
export function readLabels(text: string): LabelChange | string {
  const labels = new Map<string, string | null>();
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const equals = word.indexOf('=');
    if (equals < 0 && !word.endsWith('-'))
      return `"${word}" is no label: write key=value, or key- to remove one`;
    const [key, value] =
      equals < 0 ? [word.slice(0, -1), null] : [word.slice(0, equals), word.slice(equals + 1)];
    const fault = pairFault(key, value);
    if (fault) return fault;
    if (labels.has(key)) return `the label ${key} is named twice`;
    labels.set(key, value);
  }
  if (labels.size > labelRule.count) return `${labels.size} labels are too many; allowed: ${labelRule.count}`;
  return Object.fromEntries(labels);
}
