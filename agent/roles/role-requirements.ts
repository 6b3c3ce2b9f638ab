// Checks valid settings for what a role requires, before the role starts. Commands that only check the settings call it too.

import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import type { SettingsConflict } from '../config/settings-conflicts.ts';
import { isLoopback } from '../requester/api/loopback.ts';

/**
 * Returns a fault for each setting that `role` refuses. When `role` is undefined, some faults are only warnings, because
 * another role may read the settings.
 */
export function checkRoleRequirements(role: Role | undefined, { api, nats }: Settings): SettingsConflict[] {
  const findings: SettingsConflict[] = [];
  if (role === 'agent') return findings;
  if (!isLoopback(api.host)) {
    findings.push({
      severity: 'fault',
      keys: ['api.host'],
      value: api.host,
      text: 'can be reached from other machines, and the API does not ask for a password yet; allowed: 127.0.0.1, ::1, localhost, which an SSH tunnel reaches from elsewhere',
    });
  }
  const credentials = (['token', 'tokenFile', 'user', 'credsFile'] as const).find(
    name => nats[name] !== undefined,
  );
  if (credentials && nats.servers.length === 0) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: [`nats.${credentials}`],
      text: 'set without nats.servers: a requester refuses that, because its own broker makes its own token',
    });
  }
  return findings;
}
