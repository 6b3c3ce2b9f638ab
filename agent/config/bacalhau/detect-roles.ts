// Detects the roles in a configuration of Bacalhau, and explains what differs in muster.
import { isScalar, isSeq, type Node } from 'yaml';
import { settingOf } from '../keys.ts';
import type { Plain } from '../kind.ts';
import type { SettingKey } from '../settings.ts';
import { scalarText } from '../yaml-document.ts';
import { convertValue } from './convert-value.ts';
import type { FoundKey } from './read-keys.ts';

export interface Roles {
  readonly agent: boolean;
  readonly requester: boolean;
}

type Result = ReadonlyMap<SettingKey, { readonly plain: Plain }>;

/** The default port of a broker to which an agent connects. */
const brokerPort = settingOf('broker.port').default;

/**
 * Returns the roles that the keys name. If they name none, a file with broker settings but without servers belongs to a
 * requester.
 */
export function detectRoles(found: readonly FoundKey[]): Roles {
  const roleKeys = found.flatMap(key =>
    'role' in key.mapping ? [{ value: key.value, role: key.mapping.role }] : [],
  );
  if (roleKeys.length > 0) {
    const named = roleKeys.flatMap(({ role, value }) =>
      role === 'list' ? readRoleList(value) : isEnabled(value) ? [role] : [],
    );
    return { agent: named.includes('agent'), requester: named.includes('requester') };
  }
  const calls = found.some(({ mapping }) => 'servers' in mapping);
  const listens = found.some(({ mapping }) => 'to' in mapping && /^(broker|requester)\./.test(mapping.to));
  return { agent: calls || !listens, requester: listens && !calls };
}

/** Returns notes about the next steps, and about missing keys whose default differs between muster and Bacalhau. */
export function explainDifferences(
  found: readonly FoundKey[],
  generation: string,
  { agent, requester }: Roles,
  set: Result,
): string[] {
  const notes: string[] = [];
  if (found.some(({ key, mapping }) => 'to' in mapping && /\.ControlPlaneSettings\./i.test(key))) {
    notes.push('Bacalhau 1.4.0 ignores ControlPlaneSettings and uses its defaults; muster uses the values');
  }
  if (requester && !set.has('requester.manualApproval')) {
    notes.push(
      'new nodes wait for approval; to approve them at once as Bacalhau does: requester.manualApproval: false',
    );
  }
  if (requester && !set.has('broker.host')) {
    notes.push(
      'the broker listens on 127.0.0.1; to listen on every address as the broker of Bacalhau does: broker.host: 0.0.0.0',
    );
  }
  if (agent && requester) notes.push(...explainAgentBesideRequester(set));
  if (agent && generation !== 'from 1.5 on' && !set.has('compute.heartbeatTopic')) {
    notes.push('to join an orchestrator of Bacalhau up to 1.4: compute.heartbeatTopic: heartbeat');
  }
  const commands = [...(requester ? ['"muster requester"'] : []), ...(agent ? ['"muster agent"'] : [])];
  if (commands.length > 0)
    notes.push(`start it with ${commands.join(' and ')}: the command decides which role runs`);
  return notes;
}

/**
 * Returns the settings that an agent needs on the machine of its requester. They must not be in the common file, because
 * there they would prevent the start of the requester, or change it.
 */
function explainAgentBesideRequester(set: Result): string[] {
  const port = set.get('broker.port')?.plain ?? brokerPort;
  const provider = String(set.get('node.nameProvider')?.plain);
  const sameId = set.has('node.id') || ['hostname', 'aws', 'gcp'].includes(provider);
  const needs = [
    'the token that the broker makes, broker/token in the data folder: MUSTER_NATS_TOKEN_FILE names a copy',
    ...(port === brokerPort
      ? []
      : [`the address of that broker: MUSTER_NATS_SERVERS=nats://127.0.0.1:${port}`]),
    ...(sameId ? ["an id other than the requester's: MUSTER_NODE_ID"] : []),
  ];
  return needs.map(what => `beside the requester the agent needs, and in its environment only, ${what}`);
}

function isEnabled(value: Node): boolean {
  return isScalar(value) && convertValue(scalarText(value), 'boolean') === 'true';
}

/** Returns the roles in `Node.Type`, which is a list or text with commas. */
function readRoleList(value: Node): string[] {
  const texts = isSeq(value) ? (value.items as Node[]).map(scalarText) : scalarText(value).split(',');
  const names: Record<string, string> = { compute: 'agent', requester: 'requester' };
  return texts.flatMap(text => names[text.trim().toLowerCase()] ?? []);
}
