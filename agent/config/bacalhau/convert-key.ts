// Converts one key of Bacalhau's configuration into settings of muster, dropped keys and notes.
import { isAbsolute } from 'node:path';
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { printable } from '../../system/printable.ts';
import { settingOf } from '../keys.ts';
import { type Input, type Plain, Refusal } from '../kind.ts';
import { describeInput } from '../load.ts';
import type { SettingKey } from '../settings.ts';
import { isEmpty, scalarText } from '../yaml-document.ts';
import { convertValue } from './convert-value.ts';
import { type Form, noTls } from './key-table.ts';
import type { FoundKey } from './read-keys.ts';

export type ConvertedKey = { readonly key: string; readonly line: number } & (
  | { readonly to: SettingKey; readonly plain: Plain }
  | { readonly why: string }
  | { readonly note: string }
);

export interface ConversionContext {
  /** The folder of the file. Relative paths begin there. */
  readonly folder: string;
  /** Whether it is the configuration of a requester. */
  readonly requester: boolean;
  /** Returns whether the HTTP API may listen on this host. */
  mayListenOn(host: string): boolean;
}

const tooMany = 'there are too many; allowed: 64';
const oneValue = 'one value is expected';

/** Returns the settings, dropped keys and notes that `found` leads to. Earlier settings win over later ones. */
export function convertKey(found: FoundKey, context: ConversionContext): ConvertedKey[] {
  const { mapping, key, line, value } = found;
  const drop = (why: string): ConvertedKey[] => [{ key, line, why }];
  if ('dropped' in mapping) return drop(mapping.dropped);
  if ('role' in mapping) return isScalar(value) || isSeq(value) ? [] : drop(oneValue);
  if ('servers' in mapping) {
    if (context.requester)
      return drop('a requester runs a broker of its own, which nats.servers would replace');
    return convertServers(found);
  }
  if ('token' in mapping) {
    if (context.requester)
      return drop(
        'the broker of a requester lets the nodes of Bacalhau in by a token of its own, with requester.unverifiedNodes',
      );
    if (mapping.token === 'requester')
      return drop('only a requester asks for it, and this is not the configuration of a requester');
    return isScalar(value) ? [{ key, line, ...convertTo('nats.token', scalarText(value)) }] : drop(oneValue);
  }
  if (mapping.as === 'labels') return convertLabels(found);
  if (context.requester && mapping.to.startsWith('nats.tls.')) return drop(noTls);
  if (!isScalar(value)) return drop(oneValue);
  const text = scalarText(value).trim();
  if (mapping.to === 'api.host' && !context.mayListenOn(text))
    return drop('the HTTP API is not opened to other machines by itself; set api.host for that');
  if (mapping.as === 'path') return convertPath(found, mapping.to, text, context.folder);
  return [{ key, line, ...convertTo(mapping.to, text, mapping.as) }];
}

/** Returns the value of the setting `to`, or the reason why the setting refuses Bacalhau's value. */
function convertTo(
  to: SettingKey,
  value: Input,
  as: Form = 'text',
): { to: SettingKey; plain: Plain } | { why: string } {
  const { type } = settingOf(to);
  try {
    const input = typeof value === 'string' ? convertValue(value, as) : value;
    return { to, plain: type.plain(type.read(input, { folder: '/', home: '/' })) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { why: `${describeInput(to, value, error)} ${error.message}` };
  }
}

function convertPath({ key, line }: FoundKey, to: SettingKey, text: string, folder: string): ConvertedKey[] {
  const outcome = convertTo(to, text);
  // `~/` is not replaced, because the home folder is known only where the result is read.
  if ('why' in outcome || isAbsolute(text) || text.startsWith('~/')) {
    return [{ key, line, ...outcome, ...('why' in outcome ? {} : { plain: text }) }];
  }
  return [
    { key, line, to, plain: `${folder}/${text}` },
    { key, line, note: 'is a relative path, and was taken from the folder of this file' },
  ];
}

/**
 * Converts each server separately. A token in an address such as `nats://token@host:4222` becomes a setting of its own.
 */
function convertServers({ key, value, line, lineOf }: FoundKey): ConvertedKey[] {
  const nodes = isSeq(value) ? (value.items as Node[]) : [value];
  if (!nodes.every(node => isScalar(node)))
    return [{ key, line, why: 'one value or a list of values is expected' }];
  const texts = isSeq(value)
    ? nodes.map(node => ({ text: scalarText(node), line: lineOf(node) }))
    : scalarText(value)
        .split(',')
        .map(text => ({ text, line }));
  const servers: string[] = [];
  const others: ConvertedKey[] = [];
  for (const { text, line } of texts) {
    const [, scheme = '', login, address = ''] = /^(\w+:\/\/)?(?:(.*)@)?(.*)$/s.exec(text.trim()) ?? [];
    if (!address) continue;
    const outcome = convertTo('nats.servers', [`${scheme}${address}`]);
    const more = 'why' in outcome ? [] : (outcome.plain as string[]);
    if ('why' in outcome) others.push({ key, line, ...outcome });
    else if (servers.length + more.length > 64) others.push({ key, line, why: tooMany });
    else {
      servers.push(...more);
      if (login) others.push({ key, line, ...convertToken(login) });
    }
  }
  return servers.length > 0 ? [{ key, line, to: 'nats.servers', plain: servers }, ...others] : others;
}

function convertToken(login: string): { to: SettingKey; plain: Plain } | { why: string } {
  if (login.includes(':'))
    return { why: 'an address holds a user and a password; set nats.user and nats.passwordFile' };
  try {
    return convertTo('nats.token', decodeURIComponent(login));
  } catch {
    return convertTo('nats.token', login);
  }
}

/**
 * Converts each label separately, so that one refused label does not affect the others. Bacalhau reads names in lower
 * case.
 */
function convertLabels({ key, line, value, lineOf }: FoundKey): ConvertedKey[] {
  const labels = new Map<string, string>();
  const others: ConvertedKey[] = [];
  for (const { name, text, node } of readPairNodes(value)) {
    const one = { key: `${key}.${printable(name, 100)}`, line: lineOf(node) };
    const small = name.toLowerCase();
    const outcome =
      text === undefined ? { why: oneValue } : convertTo('node.labels', new Map([[small, text]]));
    if ('why' in outcome) others.push({ ...one, ...outcome });
    else if (labels.has(small)) others.push({ ...one, why: 'it is given twice' });
    else if (labels.size === 64) others.push({ ...one, why: tooMany });
    else {
      labels.set(small, text ?? '');
      if (small !== name) others.push({ ...one, note: `becomes ${small}, as Bacalhau reads it` });
    }
  }
  if (labels.size === 0) return others;
  return [{ key, line, to: 'node.labels', plain: Object.fromEntries(labels) }, ...others];
}

/** Returns the pairs in a group, in text such as `k=v,k2=v2`, or in a list of such texts. */
function readPairNodes(value: Node): { name: string; text: string | undefined; node: Node }[] {
  if (isMap(value)) {
    return (value.items as Pair<Node, Node | null>[]).map(({ key, value }) => {
      const text = isEmpty(value) ? '' : isScalar(value) ? scalarText(value) : undefined;
      return { name: scalarText(key), text, node: key };
    });
  }
  const nodes = isSeq(value) ? (value.items as Node[]) : [value];
  return nodes.flatMap(node =>
    scalarText(node)
      .split(',')
      .map(pair => {
        const at = pair.indexOf('=');
        return at < 1
          ? { name: pair.trim(), text: undefined, node }
          : { name: pair.slice(0, at).trim(), text: pair.slice(at + 1).trim(), node };
      }),
  );
}
