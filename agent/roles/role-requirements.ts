// Checks valid settings for what a role requires, before the role starts. Commands that only check the settings call it too.

import { isIP } from 'node:net';
import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import type { SettingsConflict } from '../config/settings-conflicts.ts';
import { isLoopback } from '../system/loopback.ts';

/**
 * Returns a fault for each setting that `role` refuses. When `role` is undefined, some faults are only warnings, because
 * another role may read the settings.
 */
export function checkRoleRequirements(
  role: Role | undefined,
  { api, broker, nats }: Settings,
): SettingsConflict[] {
  const findings: SettingsConflict[] = [];
  if (role === 'agent') return findings;
  const ownBroker = nats.servers.length === 0;
  if (ownBroker && broker.allowPlaintext && !isLoopback(broker.host)) {
    findings.push({
      severity: 'warning',
      keys: ['broker.allowPlaintext', 'broker.host'],
      text: `lets the broker listen on ${broker.host} without TLS: whoever is in between reads every message and can act as any node`,
    });
  }
  if (ownBroker && api.port === broker.port && api.port !== 0 && overlap(api.host, broker.host)) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: ['api.port', 'broker.port'],
      value: String(api.port),
      text: 'is also broker.port, and a requester listens on both; allowed: two different ports, or 0 for a free one',
    });
  }
  const credentials = (['token', 'tokenFile', 'user', 'credsFile'] as const).find(
    name => nats[name] !== undefined,
  );
  if (credentials && ownBroker) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: [`nats.${credentials}`],
      text: 'set without nats.servers: a requester refuses that, because its own broker knows it by its key',
    });
  }
  return findings;
}

/** Returns whether two servers on these hosts cannot have the same port. A name may mean any address of this machine. */
function overlap(one: string, other: string): boolean {
  const families = [one, other].map(isIP);
  if (one === other || families.includes(0) || one === '::' || other === '::') return true;
  return families[0] === families[1] && (one === '0.0.0.0' || other === '0.0.0.0');
}
