// What an installation or its removal comes to: files, folders and commands in order, and what is to be said about them.

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** For people: `root:root`. */
  readonly name: string;
}

export type Step =
  | { readonly action: 'make folder'; readonly path: string; readonly mode: number; readonly owner: Owner }
  | {
      readonly action: 'write';
      readonly path: string;
      readonly mode: number;
      readonly owner: Owner;
      readonly content: string;
      /** Something stands there already. */
      readonly replaces: boolean;
    }
  | { readonly action: 'rename'; readonly path: string; readonly to: string }
  /** `file` also for a link; `folder` only when it is empty. */
  | { readonly action: 'remove'; readonly path: string; readonly what: 'file' | 'folder' | 'tree' }
  /** A command of the service manager. */
  | { readonly action: 'run'; readonly args: readonly string[] }
  /** launchd answers before the service is gone. */
  | { readonly action: 'await stop' };

export interface Plan {
  readonly steps: readonly Step[];
  /** What is left as it is, and why. */
  readonly warnings: readonly string[];
  /** What to know beyond the steps. */
  readonly notes: readonly string[];
}

/** What stands at a path: a file's text, a link's target, or something that cannot be read, and why. */
export type ExistingFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'other'; readonly why: string };

/** What was found on this machine before anything is done. */
export interface Inspection {
  /** The files of the service, by path; one that is not there is absent. */
  readonly files: ReadonlyMap<string, ExistingFile>;
  /** Folders that are there, and links that lead to one on the way to a file. */
  readonly folders: ReadonlySet<string>;
  /** The unit that a package installed. */
  readonly packaged: string | undefined;
  /** Is the other role installed too, and if by a package, used? They share configuration and state folder. */
  readonly otherInstalled: boolean;
  /** Names in the folders of the configuration, the data, the cache and the drop-ins, by folder. */
  readonly entries: ReadonlyMap<string, readonly string[]>;
  /** Files of the log, rotated ones too. */
  readonly logs: readonly string[];
  /** The operator's secrets for this role, as files. */
  readonly secrets: readonly string[];
  /** The process that runs this role on the same state, if one does and may be asked. */
  readonly holder: number | undefined;
  /** Its process was started from a file that another has replaced since: an upgrade that waits for a restart. */
  readonly outdated: boolean;
  /** What the service manager says; undefined when files are put into another root, where none runs. */
  readonly service: ServiceState | undefined;
}

/** A service as its manager sees it. */
export interface ServiceState {
  /** The manager has read its unit. */
  readonly loaded: boolean;
  /** It is started at boot, or when the user logs in. */
  readonly enabled: boolean;
  /** `starting`: it runs, and is not yet ready. */
  readonly state: 'running' | 'starting' | 'stopping' | 'stopped' | 'failed';
  /** The manager's own word, such as `activating (auto-restart)`. */
  readonly managerState: string;
  /** Since when it is in that state. */
  readonly since: Date | undefined;
  readonly pid: number | undefined;
  /** What it says of itself. */
  readonly statusText: string | undefined;
  /** How it ended the last time, when that was no success: `exit code 78`. */
  readonly ended: string | undefined;
  readonly restarts: number | undefined;
  /** The files were changed since the manager read them. */
  readonly unitChanged: boolean;
}
