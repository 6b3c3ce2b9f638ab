// Makes the flags of settings from the table of settings.
import { environmentName, flagName, isSecret, settingKeys, settingOf } from '../../config/keys.ts';
import type { FlagKey, SecretKey, SettingKey } from '../../config/settings.ts';
import { type Command, type Flag, type FlagTable, globalFlags } from './command.ts';

/** Returns the flags of a command that takes the settings `which`. The flags that every command takes are left out. */
export function settingFlags(which: Command['settings']): FlagTable {
  if (which === undefined) return {};
  const everywhere = Object.values(globalFlags).map(flag => flag.setting);
  const keys = settingKeys.filter(key => belongs(key, which) && !everywhere.some(global => global === key));
  return Object.fromEntries(keys.map(key => (isSecret(key) ? secretFlag(key) : settingFlag(key))));
}

function belongs(key: SettingKey, which: NonNullable<Command['settings']>): boolean {
  if (typeof which !== 'string') return which.some(named => named === key);
  const { roles } = settingOf(key);
  return which === 'all' || roles === 'both' || roles === which;
}

function settingFlag(setting: FlagKey): [name: string, Flag] {
  const { type, help: text, default: preset } = settingOf(setting);
  // The default of a list or a map is empty, and a long default would hide the other text.
  const shown = preset !== undefined && typeof preset !== 'object' && String(preset).length < 20;
  // The name of a choice is the list of its values.
  const choices = type.name.includes(',') ? `: ${type.name}` : '';
  const help = `${text}${choices}${shown ? ` (default ${preset})` : ''}`;
  const many = /^(list|servers|pins|map)$/.test(type.name) ? ({ many: true } as const) : {};
  const value = choices ? 'WORD' : type.name.toUpperCase();
  return [
    withoutDashes(flagName(setting)),
    { setting, help, ...many, ...(type.name === 'boolean' ? {} : { value }) },
  ];
}

function secretFlag(setting: SecretKey): [name: string, Flag] {
  const file = flagName(`${setting}File`);
  const refused = `every user can read a command line; put it in ${environmentName(setting)}, or in the file that ${file} names`;
  return [withoutDashes(file).replace(/-file$/, ''), { value: 'SECRET', help: '', refused }];
}

const withoutDashes = (flag: string): string => flag.slice('--'.length);
