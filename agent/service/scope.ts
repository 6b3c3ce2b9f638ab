// Defines the scopes of services, the service managers, and the names of units.
import type { Role } from '../config/role.ts';

/** `system`: starts at boot. `user`: starts when that user logs in, and runs as that user. */
export type Scope = 'system' | 'user';

export type ManagerName = 'systemd' | 'launchd';

export const otherRole = (role: Role): Role => (role === 'agent' ? 'requester' : 'agent');

/** Returns the name of the systemd unit: `muster-agent.service` or `muster-requester.service`. */
export const unitName = (role: Role): string => `muster-${role}.service`;
