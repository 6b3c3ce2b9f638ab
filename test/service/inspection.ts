// Makes the result of an inspection for a test: a machine without muster, to which the test can add things.

import type { ExistingFile, Inspection, Owner, Plan, ServiceState, Step } from '../../agent/service/plan.ts';
import type { ServicePaths } from '../../agent/service/service-paths.ts';

export const root: Owner = { uid: 0, gid: 0, name: 'root:root' };

export const stopped: ServiceState = {
  loaded: false,
  enabled: false,
  state: 'stopped',
  managerState: 'not-found',
  since: undefined,
  pid: undefined,
  statusText: undefined,
  ended: undefined,
  restarts: undefined,
  unitChanged: false,
};

export const running: ServiceState = { ...stopped, loaded: true, enabled: true, state: 'running', pid: 4242 };

export interface Made {
  /** Texts of files by path. */
  texts?: Readonly<Record<string, string>>;
  links?: Readonly<Record<string, string>>;
  folders?: readonly string[];
  entries?: Readonly<Record<string, readonly string[]>>;
  packaged?: string;
  otherInstalled?: boolean;
  logs?: readonly string[];
  secrets?: readonly string[];
  holder?: number;
  outdated?: boolean;
  service?: ServiceState | undefined;
}

export function inspection(made: Made = {}): Inspection {
  const files = new Map<string, ExistingFile>();
  for (const [path, text] of Object.entries(made.texts ?? {})) files.set(path, { kind: 'text', text });
  for (const [path, target] of Object.entries(made.links ?? {})) files.set(path, { kind: 'link', target });
  return {
    files,
    folders: new Set(made.folders),
    entries: new Map(Object.entries(made.entries ?? {})),
    packaged: made.packaged,
    otherInstalled: made.otherInstalled ?? false,
    logs: made.logs ?? [],
    secrets: made.secrets ?? [],
    holder: made.holder,
    outdated: made.outdated ?? false,
    service: 'service' in made ? made.service : stopped,
  };
}

/** Returns the folders above a service's files. */
export function usualFolders(places: ServicePaths): string[] {
  const paths = [places.unit, places.config, places.rotation, places.log];
  return paths.flatMap(path => (path ? parents(path) : []));
}

/** Returns each step in a few words. */
export const stepTexts = ({ steps }: Plan): string[] => steps.map(words);

function words(step: Step): string {
  switch (step.action) {
    case 'run':
      return `run ${step.args.join(' ')}`;
    case 'await stop':
      return 'await stop';
    case 'write':
      return `${step.replaces ? 'replace' : 'write'} ${step.path}`;
    case 'rename':
      return `rename ${step.path} ${step.to}`;
    case 'remove':
      return `remove ${step.what} ${step.path}`;
    case 'make folder':
      return `make ${step.path}`;
  }
}

function parents(path: string): string[] {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return parent === '' ? [] : [parent, ...parents(parent)];
}
