// What a role refuses as it starts, though each setting is valid: known to who reads the settings without starting it.

import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import type { SettingsConflict } from '../config/settings-conflicts.ts';
import { isLoopback } from '../requester/api/loopback.ts';

/**
 * Faults where the role is known to refuse the settings, warnings where it may be another role that reads them: `role` is
 * undefined then.
 */
export function checkRoleRequirements(role: Role | undefined, { api, nats }: Settings): SettingsConflict[] {
  const findings: SettingsConflict[] = [];
  if (role === 'agent') return findings;
  if (!isLoopback(api.host)) {
    findings.push({
      severity: 'fault',
      keys: ['api.host'],
      value: api.host,
      text: 'is not an address of this machine alone, and the API asks nobody for a password yet; allowed: 127.0.0.1, ::1, localhost, which an SSH tunnel reaches from elsewhere',
    });
  }
  const credentials = (['token', 'tokenFile', 'user', 'credsFile'] as const).find(
    name => nats[name] !== undefined,
  );
  if (credentials && nats.servers.length === 0) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: [`nats.${credentials}`],
      text: 'set without nats.servers: a requester refuses that, as the broker of its own makes its own token',
    });
  }
  return findings;
}
