// Defines the flags that choose nodes, for the commands that list nodes and for those that decide about them.
import { choices, type Kind, Refusal, readText } from '../../../config/kind.ts';
import { formatDuration, parseDuration } from '../../../config/units.ts';
import { conditionTypes } from '../../../protocol/condition-types.ts';
import { filterParameters, type NodeFilter } from '../../../protocol/node-filter.ts';
import type { Argv, FlagTable } from '../../line/command.ts';

/** The kind of a time of silence. The shortest is a second: zero would choose every node that was ever heard. */
const silence: Kind<number> = {
  name: 'time',
  unit: 'milliseconds',
  read(input) {
    const silenceMs = parseDuration(readText(input));
    if (silenceMs !== undefined && silenceMs >= 1_000) return silenceMs;
    throw new Refusal('is not a time from 1s on; allowed: like 30d, 12h, 1h30m');
  },
  plain: formatDuration,
};

export const filterFlags = {
  labels: {
    value: 'SELECTOR',
    many: true,
    help: 'only nodes with these labels: "env=prod,zone in (eu,us),!spot"',
  },
  'filter-approval': {
    value: 'APPROVAL',
    kind: choices('approved', 'pending', 'rejected'),
    many: true,
    help: 'only nodes with one of these',
  },
  'filter-status': {
    value: 'STATUS',
    kind: choices('healthy', 'unhealthy', 'unknown', 'connected', 'disconnected'),
    many: true,
    help: 'only nodes with one of these',
  },
  condition: {
    value: 'TYPE',
    kind: choices(...conditionTypes),
    many: true,
    help: 'only nodes with one of these conditions',
  },
  'silent-for': {
    value: 'TIME',
    kind: silence,
    help: 'only nodes that were heard, but not for this long, like 30d or 12h',
  },
} satisfies FlagTable;

export type GivenFilter = Argv<typeof filterFlags>['flags'];

/** Returns the filter in the flags. The requester alone reads the labels. */
export const filterOf = (given: GivenFilter): NodeFilter => ({
  approvals: unique(given['filter-approval']),
  statuses: unique(given['filter-status']),
  conditions: unique(given.condition),
  silentForMs: given['silent-for'],
});

/** Returns the parameters of the API for the flags. */
export function parametersOf(given: GivenFilter): Record<string, string> {
  const labels = given.labels.join(',');
  return { ...filterParameters(filterOf(given)), ...(labels ? { labels } : {}) };
}

const unique = (lists: readonly (readonly string[])[]): string[] => [...new Set(lists.flat())];
