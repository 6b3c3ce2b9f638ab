// Makes a configuration of muster from a configuration of Bacalhau, with a message about everything that was left out.
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Document } from 'yaml';
import { MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import { settingKeys, settingOf } from '../keys.ts';
import { type Kind, type Plain, Refusal } from '../kind.ts';
import { packagedSchema } from '../sample.ts';
import type { SettingKey } from '../settings.ts';
import { formatDuration, parseDuration } from '../units.ts';
import { readYaml } from '../yaml.ts';
import { type ConversionContext, type ConvertedKey, convertKey } from './convert-key.ts';
import { detectRoles, explainDifferences } from './detect-roles.ts';
import { readBacalhau } from './read-keys.ts';

export interface MigrateOptions extends Pick<ConversionContext, 'mayListenOn'> {
  /** The absolute path of the file. */
  readonly path: string;
  /** `write` puts secrets into the result; `point` writes the name of a file that the operator makes for them. */
  readonly secrets: 'write' | 'point';
}

export interface Migration {
  /** The settings, each with its source in a comment. Values may contain characters that control a terminal. */
  readonly document: Document;
  /** Messages about what was left out and why, one line each with its place, in the order of the file. */
  readonly dropped: string[];
  /** Other messages that the operator should know, one line each. */
  readonly notes: string[];
}

/** A setting of the result, and the key from which it came. */
interface MigratedSetting {
  readonly plain: Plain;
  readonly key: string;
  readonly line: number;
  /** The comment beside the setting. The default is the key and its line. */
  readonly comment?: string;
}

type Result = Map<SettingKey, MigratedSetting>;
/** A message about a key: why it is dropped, or a note. */
type KeyMessage = ConvertedKey & ({ why: string } | { note: string });

/**
 * Converts `text`, a configuration of Bacalhau of any version.
 * @throws MusterError `bad_config` when it is not YAML, or not a configuration of Bacalhau.
 */
export async function migrate(text: string, options: MigrateOptions): Promise<Migration> {
  const { path, mayListenOn } = options;
  const { generation, found, unknown, faults } = readBacalhau(text, path);
  if (faults.length > 0) throw new MusterError('bad_config', faults.join('\n'));
  if (generation === undefined) throw notBacalhauError(text, path);
  const roles = detectRoles(found);
  const context = { folder: dirname(path), requester: roles.requester, mayListenOn };
  const inOrder = [...found].sort((a, b) => a.rank - b.rank || a.line - b.line);
  const outcomes = inOrder.flatMap(one => convertKey(one, context));
  const result: Result = new Map();
  const messages: KeyMessage[] = [
    ...unknown,
    ...takeFirstValues(outcomes, result),
    ...separateSilences(result),
  ];
  alignTopics(result);
  if (options.secrets === 'point') messages.push(...replaceTokenByFile(result));
  messages.sort((a, b) => a.line - b.line);
  const about = `Made from ${printable(path, 4096)}, a configuration of Bacalhau ${generation}.`;
  const place = ({ key, line }: KeyMessage) => `${path}:${line}: ${key}`;
  return {
    document: await makeDocument(result, about),
    dropped: messages.flatMap(one => ('why' in one ? `${place(one)} is dropped: ${one.why}` : [])),
    notes: [
      ...messages.flatMap(one => ('note' in one ? `${place(one)} ${one.note}` : [])),
      ...explainDifferences(found, generation, roles, result),
    ],
  };
}

/** Puts the first value of each setting into `result`. Returns messages about the later values and about everything else. */
function takeFirstValues(outcomes: readonly ConvertedKey[], result: Result): KeyMessage[] {
  return outcomes.flatMap(outcome => {
    if (!('to' in outcome)) return outcome;
    const { key, line, to, plain } = outcome;
    const earlier = result.get(to);
    if (!earlier) result.set(to, { key, line, plain });
    else if (!isDeepStrictEqual(plain, earlier.plain))
      return { key, line, why: `${earlier.key}, on line ${earlier.line}, comes first` };
    return [];
  });
}

/**
 * Sets the second time of silence if it is not longer than the first. Bacalhau has one time of silence, muster has two.
 */
function separateSilences(result: Result): KeyMessage[] {
  const first = result.get('requester.nodeDisconnectedAfter');
  const second = settingOf('requester.nodeUnknownAfter');
  const silence = parseDuration(String(first?.plain));
  const preset = parseDuration(String(second.default)) ?? 0;
  if (!first || silence === undefined || silence < preset) return [];
  const plain = formatDuration(silence * 2);
  if (isAccepted(second.type, plain)) {
    const comment = 'longer than requester.nodeDisconnectedAfter, as it must be';
    result.set('requester.nodeUnknownAfter', { ...first, plain, comment });
    return [];
  }
  result.delete('requester.nodeDisconnectedAfter');
  const why = 'requester.nodeUnknownAfter must be longer than this, and cannot be';
  return [{ key: first.key, line: first.line, why }];
}

/** Gives both roles the same topic when only one is set, because both belong to one cluster. */
function alignTopics(result: Result): void {
  const topics = ['compute.heartbeatTopic', 'requester.heartbeatTopic'] as const;
  for (const [to, from] of [topics, topics.toReversed()]) {
    const given = from && result.get(from);
    if (to && given && !result.has(to)) result.set(to, { ...given, comment: `as ${from}` });
  }
}

/** Replaces the token by the name of a file. */
function replaceTokenByFile(result: Result): KeyMessage[] {
  const token = result.get('nats.token');
  if (!token) return [];
  const { key, line } = token;
  const comment = `put the secret of ${key}, line ${line}, into this file, beside the configuration`;
  result.delete('nats.token');
  result.set('nats.tokenFile', { plain: 'token', key, line, comment });
  const note =
    'holds a secret, which is not shown: put it into the file that nats.tokenFile names, or use --output FILE';
  return [{ key, line, note }];
}

function isAccepted({ read }: Kind<unknown>, plain: string): boolean {
  try {
    read(plain, { folder: '', home: undefined });
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

async function makeDocument(result: Result, about: string): Promise<Document> {
  const { Document, isCollection } = await import('yaml');
  const document = new Document({});
  document.commentBefore = ` yaml-language-server: $schema=${packagedSchema}\n ${about}`;
  for (const key of settingKeys) {
    const one = result.get(key);
    if (!one) continue;
    const node = document.createNode(one.plain);
    if (isCollection(node)) node.flow = true;
    node.comment = ` ${one.comment ?? `${one.key}, line ${one.line}`}`;
    document.setIn(key.split('.'), node);
  }
  return document;
}

function notBacalhauError(text: string, path: string): MusterError {
  const isMuster = readYaml(text, path).entries.length > 0;
  return new MusterError('bad_config', `${path}: none of its keys is one of Bacalhau's configuration`, {
    hint: isMuster
      ? 'it looks like a configuration of muster: "muster config check FILE" checks it'
      : 'name the config.yaml of a Bacalhau node',
  });
}
