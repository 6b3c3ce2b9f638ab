// Makes up the context of the checks of `muster doctor`.
import { join } from 'node:path';
import type { Role } from '../../../agent/config/role.ts';
import type { Settings } from '../../../agent/config/settings.ts';
import type { Context } from '../../../agent/doctor/checks/context.ts';
import type { Inputs } from '../../../agent/host/inputs/inputs.ts';
import type { ProbeView } from '../../../agent/host/view.ts';
import { probeView } from '../../../agent/host/view.ts';
import type { AccessCheck } from '../../../agent/transport/access-check.ts';
import { fakeMachine } from '../../host/machines.ts';
import { defaultSettings } from '../../support/default-settings.ts';

export interface Given {
  roles?: readonly Role[];
  settings?: (settings: Settings) => Settings;
  data?: string;
  agent?: object;
  requester?: object;
  accessChecks?: readonly AccessCheck[];
  inputs?: Inputs;
}

/** Returns a context in which no role and no broker run on a simple machine, except for what `given` replaces. */
export function context(given: Given = {}): Context {
  const {
    roles = ['agent'],
    data = '/nonexistent/data',
    accessChecks = [],
    inputs = fakeMachine({}),
  } = given;
  const settings = given.settings?.(defaultSettings()) ?? defaultSettings();
  return {
    roles,
    settings,
    loaded: { settings, origin: {} as never, warnings: [], file: undefined, places: [] },
    data,
    folderOf: role => join(data, role),
    agent: async () => given.agent as never,
    requester: async () => given.requester as never,
    broker: async () => ({ servers: ['nats://127.0.0.1:4222'], credentials: {}, tls: undefined }),
    accessChecks: async () => accessChecks,
    machine: (): Promise<ProbeView> => probeView(inputs, settings),
  };
}
