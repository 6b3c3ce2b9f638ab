// What can be a service: one of the two roles, for the whole machine or for one user, under the system's service manager.
import type { Role } from '../config/role.ts';

/** `system`: started at boot, for everybody. `user`: started when that user logs in, as that user. */
export type Scope = 'system' | 'user';

export type ManagerName = 'systemd' | 'launchd';

export const otherRole = (role: Role): Role => (role === 'agent' ? 'requester' : 'agent');

/** As systemd knows it: `muster-agent.service`, `muster-requester.service`. */
export const unitName = (role: Role): string => `muster-${role}.service`;
