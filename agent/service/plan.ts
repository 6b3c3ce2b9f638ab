// A plan of an installation or a removal contains files, folders and commands in order, and messages for the operator.

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** The owner as people read it, such as `root:root`. */
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
      /** Whether a file exists there already. */
      readonly replaces: boolean;
      /** Set when the content must not be shown. */
      readonly isSecret?: true;
    }
  | { readonly action: 'rename'; readonly path: string; readonly to: string }
  /** `file` also removes a link; `folder` removes only an empty folder. */
  | { readonly action: 'remove'; readonly path: string; readonly what: 'file' | 'folder' | 'tree' }
  /** A command of the service manager. */
  | { readonly action: 'run'; readonly args: readonly string[] }
  /** Waits until launchd has stopped the service, because launchctl returns earlier. */
  | { readonly action: 'await stop' };

export interface Plan {
  readonly steps: readonly Step[];
  /** Things that are left unchanged, and the reasons. */
  readonly warnings: readonly string[];
  /** Other things that the operator should know. */
  readonly notes: readonly string[];
}

/**
 * The thing at a path: a file with its text, a link with its target, or something that cannot be read, with the reason.
 */
export type ExistingFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'other'; readonly why: string };

/** The result of `inspect`, before anything is changed. */
export interface Inspection {
  /** The existing files of the service, by path. */
  readonly files: ReadonlyMap<string, ExistingFile>;
  /** Existing folders, and links to folders that are part of a file's path. */
  readonly folders: ReadonlySet<string>;
  /** Path of the unit that a package installed. */
  readonly packaged: string | undefined;
  /** Whether the other role is installed and used here. Both roles share the configuration and the data folder. */
  readonly otherInstalled: boolean;
  /** The names of the files in the configuration, data and cache folders, by folder. */
  readonly entries: ReadonlyMap<string, readonly string[]>;
  /** Paths of the log files, including rotated ones. */
  readonly logs: readonly string[];
  /** Paths of the files in which the operator keeps secrets for this role. */
  readonly secrets: readonly string[];
  /** Process id of the role that holds the same data folder; undefined when none runs or it does not answer. */
  readonly holder: number | undefined;
  /** Whether the program was replaced after the service started, so that the new version needs a restart. */
  readonly outdated: boolean;
  /** The state in the service manager; undefined for another root, where no service manager runs. */
  readonly service: ServiceState | undefined;
}

/** A service as its manager sees it. */
export interface ServiceState {
  /** Whether the manager has read its unit. */
  readonly loaded: boolean;
  /** Whether it starts at boot, or when the user logs in. */
  readonly enabled: boolean;
  /** `starting`: the process runs and is not ready yet. */
  readonly state: 'running' | 'starting' | 'stopping' | 'stopped' | 'failed';
  /** The state in the manager's own words, such as `activating (auto-restart)`. */
  readonly managerState: string;
  /** Time when it entered that state. */
  readonly since: Date | undefined;
  readonly pid: number | undefined;
  /** The status line that the service itself has sent. */
  readonly statusText: string | undefined;
  /** The way in which it ended the last time, such as `exit code 78`; undefined after a success. */
  readonly ended: string | undefined;
  readonly restarts: number | undefined;
  /** Whether the unit files were changed after the manager read them. */
  readonly unitChanged: boolean;
}
