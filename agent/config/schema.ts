// The JSON Schema of the configuration file, made from the table: for editors, and for checks without muster.
import type { Fragment } from './fragment.ts';
import { environmentName, settingKeys, settingOf } from './keys.ts';
import type { Plain } from './kind.ts';
import type { SettingKey } from './settings.ts';
import { defaultText } from './show.ts';

interface SettingSchema extends Fragment {
  readonly description: string;
  readonly default?: Plain;
}

/** Named settings; no others. */
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
 * The schema of a file as YAML 1.2 reads it, in draft 7, which yaml-language-server supports whole. It names each key as
 * the table spells it, where the loader takes any case. It is silent where a schema cannot speak: on the range of a
 * duration and the greatest size, on how a number is spelled (`80.0`, `0x50`, four decimals), on how many servers or labels
 * stand in a list or in text with commas, on labels given twice there, and on settings that exclude or need each other.
 */
export function configSchema(): ConfigSchema {
  const root = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'muster configuration',
    description: 'Settings of muster; "muster config check" also finds what does not fit together.',
    ...emptyGroup(),
  };
  for (const key of settingKeys) {
    const path = key.split('.');
    const last = path.pop() ?? key;
    let group: GroupSchema = root;
    for (const name of path) {
      group.properties[name] ??= emptyGroup();
      // No setting is also the name of a group.
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
    ...type.schema,
  };
}
