// Shows the settings to people: `config show` as data and as YAML, and every setting as the table defines it.
import type { Document } from 'yaml';
import { printable } from '../system/printable.ts';
import { redacted } from '../system/secrets.ts';
import { environmentName, flagName, isSecret, settingKeys, settingOf, settingValue } from './keys.ts';
import type { Plain } from './kind.ts';
import type { LoadedSettings } from './load.ts';
import type { Readers } from './setting.ts';
import type { SettingKey } from './settings.ts';
import type { Origin } from './sources.ts';

export interface ShownSetting {
  readonly key: SettingKey;
  /** The value as an operator would write it; `<redacted>` for a secret; undefined when it is not set. */
  readonly value: Plain | undefined;
  readonly origin: Origin;
}

export interface SettingRow {
  readonly key: SettingKey;
  readonly type: string;
  /** The unit of the value in the program and in JSON. In text the value contains its unit. */
  readonly unit: string | undefined;
  /** The default as an operator would write it; empty when there is none. */
  readonly default: string;
  readonly environment: string;
  /** The flag; undefined for a secret. */
  readonly flag: string | undefined;
  readonly reload: boolean;
  readonly roles: Readers;
  readonly secret: boolean;
  readonly help: string;
}

/** Returns every setting with its value, in the order of the table. */
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
 * Returns all settings as a configuration file, with the origin of each value beside it. The file can be loaded when the
 * secrets are filled in. Values may contain characters that control a terminal.
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
    // A setting without a value stays empty. Otherwise the YAML would contain the word `null`.
    if (value === undefined && isScalar(node)) node.source = '';
    node.comment = ` ${value === undefined ? 'not set' : printable(origin, 4096)}`;
    document.setIn(key.split('.'), node);
  }
  return document;
}

/** Returns every setting as the table defines it. */
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

/** Returns a default on one line; empty when there is none. */
export function defaultText(plain: Plain | undefined): string {
  if (plain === undefined || typeof plain !== 'object') return String(plain ?? '');
  return Array.isArray(plain)
    ? plain.join(',')
    : Object.entries(plain)
        .map(pair => pair.join('='))
        .join(',');
}
