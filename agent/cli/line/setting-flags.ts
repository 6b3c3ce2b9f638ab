// The flags that give settings, made from the table of settings.
import { environmentName, flagName, isSecret, settingKeys, settingOf } from '../../config/keys.ts';
import type { FlagKey, SecretKey, SettingKey } from '../../config/settings.ts';
import { type Command, type Flag, type FlagTable, globalFlags } from './command.ts';

/** The flags of a command that takes these settings. */
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
  // A list or map has an empty one, and a long one would drown the rest.
  const shown = preset !== undefined && typeof preset !== 'object' && String(preset).length < 20;
  // A choice has its options for a name.
  const choices = type.name.includes(',') ? `: ${type.name}` : '';
  const help = `${text}${choices}${shown ? ` (default ${preset})` : ''}`;
  const many = type.name === 'list' || type.name === 'map' ? ({ many: true } as const) : {};
  const value = choices ? 'WORD' : type.name.toUpperCase();
  return [bare(flagName(setting)), { setting, help, ...many, ...(type.name === 'boolean' ? {} : { value }) }];
}

function secretFlag(setting: SecretKey): [name: string, Flag] {
  const file = flagName(`${setting}File`);
  const refused = `every user can read a command line; give it in ${environmentName(setting)}, or in the file that ${file} names`;
  return [file.slice('--'.length, -'-file'.length), { value: 'SECRET', help: '', refused }];
}

const bare = (flag: string): string => flag.slice('--'.length);
