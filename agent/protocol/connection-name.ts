// The name of an agent's connection says which node connects, which process of it, and what it wants. The broker shows the
// name in its lists, and hands it to the requester that decides who is let in.
import { nodeIdPattern } from './schema.ts';

/**
 * What an agent wants from its connection besides its usual work: `register` means that an operator told a deleted node to
 * register again, `check` that the doctor only tries whether the node is let in.
 */
export type ConnectionIntent = 'register' | 'check';

export interface ConnectionName {
  node: string;
  /** The random value of the agent's process. */
  instance: string;
  intent?: ConnectionIntent | undefined;
}

const maxLength = 512;
const instancePattern = /^[A-Za-z0-9-]{1,64}$/;

/** Returns the name as text, such as `node-1 instance=… intent=register`. */
export function writeConnectionName({ node, instance, intent }: ConnectionName): string {
  return `${node} instance=${instance}${intent ? ` intent=${intent}` : ''}`;
}

/** Reads a name; undefined when no agent wrote it. */
export function readConnectionName(text: string): ConnectionName | undefined {
  if (text.length > maxLength) return undefined;
  const [node = '', ...words] = text.split(' ');
  const members = new Map(words.map(word => splitOnce(word)));
  const instance = members.get('instance') ?? '';
  const intent = members.get('intent');
  if (!nodeIdPattern.test(node) || !instancePattern.test(instance)) return undefined;
  return { node, instance, ...(intent === 'register' || intent === 'check' ? { intent } : {}) };
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=');
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
}
