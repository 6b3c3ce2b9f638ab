// Makes the JSON Schema of the configuration file, for editors and for checks without muster.
import type { Fragment } from './fragment.ts';
import { environmentName, settingKeys, settingOf } from './keys.ts';
import type { Plain } from './kind.ts';
import type { SettingKey } from './settings.ts';
import { defaultText } from './show.ts';

interface SettingSchema extends Fragment {
  readonly description: string;
  readonly default?: Plain;
}

/** A group of settings. Other names are not allowed. */
interface GroupSchema {
  readonly type: readonly ['object', 'null'];
  readonly additionalProperties: false;
  readonly properties: { [name: string]: GroupSchema | SettingSchema };
}

interface ConfigSchema extends GroupSchema {
  readonly $schema: string;
  readonly title: string;
  readonly description: string;
}

/**
 * Returns the schema of a file as YAML 1.2 reads it, in draft 7, which yaml-language-server supports completely. It
 * contains each key in one spelling, while the loader accepts upper and lower case. A schema cannot check everything that
 * the loader checks: the range of a duration, the largest size, the spelling of a number (`80.0`, `0x50`, four decimals),
 * the number of servers or labels in a list or in text with commas, repeated labels there, and settings that exclude or
 * need each other.
 */
export function configSchema(): ConfigSchema {
  const root = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'muster configuration',
    description: 'Settings of muster. "muster config check" also finds settings that do not fit together.',
    ...emptyGroup(),
  };
  for (const key of settingKeys) {
    const path = key.split('.');
    const last = path.pop() ?? key;
    let group: GroupSchema = root;
    for (const name of path) {
      group.properties[name] ??= emptyGroup();
      // A group never has the same name as a setting, so this is a group.
      group = group.properties[name] as GroupSchema;
    }
    group.properties[last] = settingSchema(key);
  }
  return root;
}

function emptyGroup(): GroupSchema {
  return { type: ['object', 'null'], additionalProperties: false, properties: {} };
}

function settingSchema(key: SettingKey): SettingSchema {
  const { help, type, default: value, reload } = settingOf(key);
  const about = [
    `Allowed: ${type.allowed}.`,
    ...(value === undefined ? [] : [`Default: ${defaultText(value) || 'none'}.`]),
    `Environment: ${environmentName(key)}.`,
    reload ? 'Takes effect on reload.' : 'Takes effect at the next start.',
  ];
  return {
    description: `${help}\n\n${about.join(' ')}`,
    ...(value === undefined ? {} : { default: value }),
    ...type.schema(),
  };
}
