// Lists all checks in the order in which they are shown.
import type { Role } from '../../config/role.ts';
import { systemClock } from '../../system/clock.ts';
import { agent } from './agent.ts';
import { broker } from './broker.ts';
import { certificate } from './certificate.ts';
import type { Check } from './check.ts';
import { clock } from './clock.ts';
import { configuration } from './configuration.ts';
import type { Context } from './context.ts';
import { disk } from './disk.ts';
import { folders } from './folders.ts';
import { gpus } from './gpus.ts';
import { identity } from './identity.ts';
import { ports } from './ports.ts';
import { probe } from './probe.ts';
import { requester } from './requester.ts';
import { secretFiles } from './secret-files.ts';
import { sentinel } from './sentinel.ts';
import { service } from './service.ts';

/** Returns the checks that run when the settings are known. */
export function createChecks(context: Context): Check[] {
  const { roles } = context;
  const both = roles.length > 1;
  // With two roles this check exists twice, so its name contains the role.
  const each = (make: (context: Context, role: Role) => Check) =>
    roles.map(role => {
      const check = make(context, role);
      return both ? { ...check, name: `${check.name} (${role})` } : check;
    });
  const isAgent = roles.includes('agent');
  return [
    configuration(context.loaded),
    folders(context),
    secretFiles(context),
    disk(context),
    ...(isAgent ? [identity(context), sentinel(context)] : []),
    ...(roles.includes('requester') ? [certificate(context, systemClock)] : []),
    ...each(broker),
    ...each(requester),
    ...(isAgent ? [agent(context)] : []),
    ...(roles.includes('requester') ? [ports(context)] : []),
    clock(systemClock, { context, role: roles[0] ?? 'agent' }),
    ...(isAgent ? [probe(), gpus(context)] : []),
    service(roles),
  ];
}

/** Returns the checks that are possible when the settings do not load. `thrown` is the error of the loading. */
export const createChecksWithoutSettings = (thrown: unknown, roles: readonly Role[]): Check[] => [
  configuration({ thrown }),
  clock(systemClock),
  ...(roles.includes('agent') ? [probe()] : []),
  service(roles),
];
