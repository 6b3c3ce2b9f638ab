// Shows the settings of a requester as Bacalhau's clients ask for them: under Bacalhau's keys, as far as it has the same ones.
import { redacted } from '../../system/secrets.ts';
import { nestValues, settingOf, settingValue } from '../keys.ts';
import type { Settings } from '../settings.ts';
import { bacalhauKeys, type Form, type KeyMapping } from './key-table.ts';

type ShownKey = readonly [key: string, mapping: Extract<KeyMapping, { to: unknown }>];

/** The keys that Bacalhau has for a requester since 1.5. The format of the log has other values there. */
const shownKeys: readonly ShownKey[] = Object.entries(bacalhauKeys).flatMap(([key, mapping]) =>
  'to' in mapping &&
  !/^(Node|Compute)\./.test(key) &&
  mapping.as !== 'mode' &&
  settingOf(mapping.to).roles !== 'agent'
    ? [[key, mapping] as const]
    : [],
);

/**
 * Returns the configuration in the form of Bacalhau, without secrets. A setting that does not change while a requester runs is
 * taken from `started`, the settings of its start; the others from `latest`.
 */
export function bacalhauConfig(started: Settings, latest = started): Record<string, unknown> {
  const values: [key: string, value: unknown][] = [['Orchestrator.Enabled', true]];
  for (const [key, { to, as }] of shownKeys) {
    if (to.startsWith('broker.') && started.nats.servers.length > 0) continue;
    const value = settingValue(settingOf(to).reload ? latest : started, to);
    if (value !== undefined) values.push([key, shown(value, as)]);
  }
  if (started.requester.unverifiedNodes) values.push(['Orchestrator.Auth.Token', redacted]);
  return nestValues(values);
}

const shown = (value: unknown, form: Form): unknown =>
  form === 'duration' ? goDuration(Number(value)) : value;

/** Writes whole milliseconds as Go does: 90000 as `1m30s`, 3600000 as `1h0m0s`, 1500 as `1.5s`, 20 as `20ms`. */
function goDuration(milliseconds: number): string {
  if (milliseconds > 0 && milliseconds < 1000) return `${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = `${(milliseconds % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
