// The settings for people: `config show` as data and as YAML, and every setting as the table defines it.
import type { Document } from 'yaml';
import { printable } from '../system/printable.ts';
import { redacted } from '../system/secrets.ts';
import { environmentName, flagName, isSecret, settingKeys, settingOf, settingValue } from './keys.ts';
import type { Plain } from './kind.ts';
import type { LoadedSettings } from './load.ts';
import type { Role } from './role.ts';
import type { SettingKey } from './settings.ts';
import type { Origin } from './sources.ts';

export interface ShownSetting {
  readonly key: SettingKey;
  /** As an operator would write it; a secret is `<redacted>`; undefined when it is not set. */
  readonly value: Plain | undefined;
  readonly origin: Origin;
}

export interface SettingRow {
  readonly key: SettingKey;
  readonly type: string;
  /** The unit of the value in the program and in JSON; what is written carries its own. */
  readonly unit: string | undefined;
  /** As an operator would write it; empty when there is none. */
  readonly default: string;
  readonly environment: string;
  /** undefined for a secret. */
  readonly flag: string | undefined;
  readonly reload: boolean;
  readonly roles: Role | 'both';
  readonly secret: boolean;
  readonly help: string;
}

/** Every setting, in the order of the table. */
export function showSettings({
  settings,
  origin,
}: Pick<LoadedSettings, 'settings' | 'origin'>): ShownSetting[] {
  return settingKeys.map(key => {
    const value = settingValue(settings, key);
    const plain = value === undefined ? undefined : settingOf(key).type.plain(value);
    return { key, value: plain !== undefined && isSecret(key) ? redacted : plain, origin: origin[key] };
  });
}

/**
 * The same as a configuration file, with the origin of each value beside it. It loads again, once its secrets are filled in.
 * Values may hold what steers a terminal.
 */
export async function settingsDocument(
  loaded: Pick<LoadedSettings, 'settings' | 'origin' | 'file' | 'places'>,
): Promise<Document> {
  const { Document, isCollection, isScalar } = await import('yaml');
  const document = new Document({});
  const file = loaded.file ?? `no configuration file (looked for ${loaded.places.join(', ')})`;
  document.commentBefore = ` ${printable(file, 4096)}`;
  for (const { key, value, origin } of showSettings(loaded)) {
    const node = document.createNode(value ?? null);
    if (isCollection(node)) node.flow = true;
    // Nothing at all rather than the word null.
    if (value === undefined && isScalar(node)) node.source = '';
    node.comment = ` ${value === undefined ? 'not set' : printable(origin, 4096)}`;
    document.setIn(key.split('.'), node);
  }
  return document;
}

/** Every setting as the table defines it. */
export function settingsTable(): SettingRow[] {
  return settingKeys.map(key => {
    const setting = settingOf(key);
    return {
      key,
      type: setting.type.name,
      unit: setting.type.unit,
      default: defaultText(setting.default),
      environment: environmentName(key),
      flag: isSecret(key) ? undefined : flagName(key),
      reload: setting.reload,
      roles: setting.roles,
      secret: isSecret(key),
      help: setting.help,
    };
  });
}

/** A default in one line; empty when there is none. */
export function defaultText(plain: Plain | undefined): string {
  if (plain === undefined || typeof plain !== 'object') return String(plain ?? '');
  return Array.isArray(plain)
    ? plain.join(',')
    : Object.entries(plain)
        .map(pair => pair.join('='))
        .join(',');
}
