// A configuration file to start from: every setting of a role at its default, commented out, made from the table.
import { stringify } from 'yaml';
import { settingKeys, settingOf } from './keys.ts';
import type { Role } from './role.ts';
import type { Setting, SettingKey } from './settings.ts';

/** Where the package puts what `muster config schema` prints. */
export const packagedSchema = '/usr/share/muster/config.schema.json';

const widest = 100;

/**
 * The sample for `role`. Its first line names the JSON Schema at `schema` (a path or an address) for editors that know
 * yaml-language-server. The names of groups stand uncommented, so that any line may lose its `#` alone.
 */
export function sampleConfig(role: Role | 'both', schema = packagedSchema): string {
  const keys = settingKeys.filter(key => role === 'both' || ['both', role].includes(settingOf(key).roles));
  const lines = [
    `# yaml-language-server: $schema=${schema}`,
    ...comment(
      `Settings of ${role === 'both' ? 'muster' : `the ${role}`}. A # right before a name hides a setting, and shows its default: take it away and change the value. "muster config check" finds mistakes, "muster config show --origin" tells what holds.`,
    ),
    '#',
    ...comment(
      'Whoever can read this file can read the secrets in it: better keep each in a file of its own, which nats.tokenFile or nats.passwordFile names.',
    ),
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
  // What these allow is plain from their name or their default.
  const allowed = ['path', 'secret', 'boolean'].includes(type.name) ? type.name : type.allowed;
  return [...comment(`${help} (${allowed})`), `#${name}:${text}`];
}

/** `text` in lines of at most `widest` characters, where its words allow it. */
function comment(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > widest) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
