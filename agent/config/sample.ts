// A configuration file to start from: every setting of a role at its default, commented out, made from the table.
import { stringify } from 'yaml';
import { settingKeys, settingOf } from './keys.ts';
import type { Setting, SettingKey } from './settings.ts';

/** Where the package puts what `muster config schema` prints. */
export const packagedSchema = '/usr/share/muster/config.schema.json';

/**
 * The sample for `role`. Its first line names the JSON Schema at `schema` (a path or an address) for editors that know
 * yaml-language-server. The names of groups stand uncommented, so that any line may lose its `#` alone.
 */
export function sampleConfig(role: 'agent' | 'requester' | 'both', schema = packagedSchema): string {
  const keys = settingKeys.filter(key => role === 'both' || ['both', role].includes(settingOf(key).roles));
  const lines = [
    `# yaml-language-server: $schema=${schema}`,
    `# Settings of muster${role === 'both' ? '' : `, for its ${role}`}. Each line that starts with # and a name shows a default: take the #`,
    '# away and change the value. Durations are like 15s, 1m30s, 500ms; sizes like 8GB, 8GiB.',
    '# "muster config check" finds mistakes, and "muster config show --origin" tells what holds.',
  ];
  return `${[...lines, ...group(keys, '')].join('\n')}\n`;
}

/** The lines of what stands below `prefix`, in the order of the table. */
function group(keys: readonly SettingKey[], prefix: string): string[] {
  const depth = prefix.split('.').length - 1;
  const indent = '  '.repeat(depth);
  const names = new Set(keys.map(key => key.slice(prefix.length).split('.')[0] ?? key));
  const lines: string[] = [];
  for (const name of names) {
    const path = `${prefix}${name}`;
    const own = keys.find(key => key === path);
    if (depth === 0) lines.push('');
    if (own) lines.push(...setting(settingOf(own), name).map(line => indent + line));
    else
      lines.push(
        `${indent}${name}:`,
        ...group(
          keys.filter(key => key.startsWith(`${path}.`)),
          `${path}.`,
        ),
      );
  }
  return lines;
}

function setting({ help, default: value, type }: Setting, name: string): string[] {
  const form = { collectionStyle: 'flow', lineWidth: 0 } as const;
  const text = value === undefined ? '' : ` ${stringify(value, form).trimEnd()}`;
  return [`# ${help} (${type.name})`, `#${name}:${text}`];
}
