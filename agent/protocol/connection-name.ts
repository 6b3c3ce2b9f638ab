// The name of a node's connection says which node connects, which process of it, and what it wants. The broker shows the
// name in its lists, and hands it to the requester that decides who is let in.
import { nodeIdPattern } from './schema.ts';

/**
 * What the client wants: `register` means that an operator told a deleted node to register again, `check` that the doctor
 * only tries whether the node is let in, `work` that a program beside the agent wants to use what is opened for approved
 * nodes. Without any, it is an agent.
 */
const intents = ['register', 'check', 'work'] as const;
export type ConnectionIntent = (typeof intents)[number];

export interface ConnectionName {
  node: string;
  /** The random value of the agent's process. */
  instance: string;
  /** The host name of the agent's machine, for people who look for it. Nothing proves it. */
  host?: string | undefined;
  intent?: ConnectionIntent | undefined;
}

const maxLength = 512;
const instancePattern = /^[A-Za-z0-9-]{1,64}$/;
const hostPattern = /^[\w.-]{1,253}$/;

/**
 * Returns the name as text, such as `node-1 instance=… host=… intent=register`. A host name with other characters is left
 * out.
 */
export function writeConnectionName({ node, instance, host, intent }: ConnectionName): string {
  const named = host && hostPattern.test(host) ? ` host=${host}` : '';
  return `${node} instance=${instance}${named}${intent ? ` intent=${intent}` : ''}`;
}

/** Reads a name; undefined when no agent wrote it. */
export function readConnectionName(text: string): ConnectionName | undefined {
  if (text.length > maxLength) return undefined;
  const [node = '', ...words] = text.split(' ');
  const members = new Map(words.map(word => splitOnce(word)));
  const instance = members.get('instance') ?? '';
  const intent = intents.find(known => known === members.get('intent'));
  const host = members.get('host') ?? '';
  if (!nodeIdPattern.test(node) || !instancePattern.test(instance)) return undefined;
  const named = hostPattern.test(host) ? { host } : {};
  return { node, instance, ...named, ...(intent ? { intent } : {}) };
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=');
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
}
