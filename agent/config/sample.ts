// Makes a sample configuration file: every setting of a role with its default, commented out.
import { stringify } from 'yaml';
import { settingKeys, settingOf } from './keys.ts';
import type { Role } from './role.ts';
import type { Setting } from './setting.ts';
import type { SettingKey } from './settings.ts';

/** The path at which the package installs the output of `muster config schema`. */
export const packagedSchema = '/usr/share/muster/config.schema.json';

const maxLineLength = 100;

/**
 * Returns the sample for `role`. The first line names the JSON Schema at the path or address `schema`, for editors with
 * yaml-language-server. The names of groups are not commented out, so the operator can remove the `#` of any single line.
 */
export function sampleConfig(role: Role | 'both', schema = packagedSchema): string {
  const keys = settingKeys.filter(key => role === 'both' || ['both', role].includes(settingOf(key).roles));
  const lines = [
    `# yaml-language-server: $schema=${schema}`,
    ...comment(
      `Settings of ${role === 'both' ? 'muster' : `the ${role}`}. A line that begins with # and a name shows the default of a setting. To change it, remove the # and write the new value. "muster config check" finds mistakes, and "muster config show --origin" shows the values in use.`,
    ),
    '#',
    ...comment(
      'Everybody who can read this file can read the secrets in it. It is better to keep each secret in a file of its own, which nats.tokenFile or nats.passwordFile names.',
    ),
  ];
  return `${[...lines, ...group(keys, '')].join('\n')}\n`;
}

/** Returns the lines of the settings below `prefix`, in the order of the table. */
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
  // For these kinds the name already says what is allowed.
  const allowed = ['path', 'secret', 'boolean'].includes(type.name) ? type.name : type.allowed;
  return [...comment(`${help} (${allowed})`), `#${name}:${text}`];
}

/** Returns `text` as comment lines of at most `maxLineLength` characters, unless a word is longer. */
function comment(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > maxLineLength) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
