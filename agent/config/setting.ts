// What the table says of a setting.
import type { Plain, SettingKind } from './kind.ts';
import type { Role } from './role.ts';

/** Who reads a setting. */
export type Readers = Role | 'both' | 'commands';

/** One setting. Without a `default` it is optional, and `undefined` when nobody sets it. */
export interface Setting {
  readonly type: SettingKind<unknown>;
  /** The default value, as an operator would write it. */
  readonly default?: Plain;
  /** Whether it can change while the program runs, on SIGHUP. */
  readonly reload: boolean;
  /** The roles that read the setting. `commands` are those that ask a requester, and no role. */
  readonly roles: Readers;
  /**
   * Whether the value is a secret. A secret is shown as `<redacted>`, is never a flag, and may also come from the service
   * manager's credentials.
   */
  readonly secret?: true;
  /** One line about the setting, for the documents and the sample file. */
  readonly help: string;
}
