// Reads what an operator wants of a new join code, as it was typed.
import { parseDuration } from '../../protocol/duration.ts';
import { pairFault } from '../../protocol/label.ts';
import { shellLine } from '../../system/shell-word.ts';

/** The fields as they were typed. */
export interface CodeWish {
  readonly uses: string;
  readonly forText: string;
  readonly approve: boolean;
  readonly labels: string;
  readonly network: string;
}

export const usualWish: CodeWish = { uses: '1', forText: '1h', approve: false, labels: '', network: '' };

/** The body of the request that makes the code. */
export interface CodeOrder {
  ExpiresInSeconds: number;
  Uses: number;
  Approve: boolean;
  Labels: Record<string, string>;
  Network: string;
}

const minuteMs = 60_000;
const longestMs = 30 * 24 * 60 * minuteMs;
const mostUses = 10_000;

/** Returns the request, or what is wrong as a sentence. The requester checks the network. */
export function orderOf({
  uses,
  forText,
  approve,
  labels,
  network,
}: CodeWish): CodeOrder | { readonly fault: string } {
  const number = Number(uses);
  if (!/^\d{1,5}$/.test(uses.trim()) || number < 1 || number > mostUses)
    return { fault: `A code lets in 1 to ${mostUses} nodes, not "${uses}".` };
  const lifetimeMs = parseDuration(forText.trim());
  if (lifetimeMs === undefined || lifetimeMs < minuteMs || lifetimeMs > longestMs)
    return { fault: `A code is valid for 1m to 30d, such as 12h, not for "${forText}".` };
  const pairs = labelsOf(labels);
  if (typeof pairs === 'string') return { fault: pairs };
  return {
    ExpiresInSeconds: Math.floor(lifetimeMs / 1000),
    Uses: number,
    Approve: approve,
    Labels: pairs,
    Network: network.trim(),
  };
}

/** Returns the command that makes the same code. */
export function commandOf({ uses, forText, approve, labels, network }: CodeWish): string {
  const flag = (name: string, value: string, usual = '') =>
    value.trim() === usual ? [] : [name, value.trim()];
  return shellLine([
    'muster',
    'join-code',
    'create',
    ...flag('--uses', uses, usualWish.uses),
    ...flag('--expires', forText, usualWish.forText),
    ...(approve ? ['--approve'] : []),
    ...wordsOf(labels).flatMap(word => ['--labels', word]),
    ...flag('--network', network),
  ]);
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** Returns the labels of a text like `rack=b7 zone=east`, or what is wrong with it. */
function labelsOf(text: string): Record<string, string> | string {
  const labels = new Map<string, string>();
  for (const word of wordsOf(text)) {
    const equals = word.indexOf('=');
    if (equals < 0) return `"${word}" is no label: write key=value.`;
    const [key, value] = [word.slice(0, equals), word.slice(equals + 1)];
    const fault = pairFault(key, value);
    if (fault) return `${fault}.`;
    if (labels.has(key)) return `The label ${key} is named twice.`;
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}
