// Which roles a configuration of Bacalhau is for. Here that is a matter of the command, not of a setting.
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

/** Where an agent looks for a broker unless it is told. */
const brokerPort = settingOf('broker.port').default;

/** What the keys say; where they say nothing, settings of the broker without a broker to call mean a requester. */
export function detectRoles(found: readonly FoundKey[]): Roles {
  const told = found.flatMap(told => ('role' in told.mapping ? [{ ...told, role: told.mapping.role }] : []));
  if (told.length > 0) {
    const named = told.flatMap(({ role, value }) =>
      role === 'list' ? listed(value) : enabled(value) ? [role] : [],
    );
    return { agent: named.includes('agent'), requester: named.includes('requester') };
  }
  const calls = found.some(({ mapping }) => 'servers' in mapping);
  const listens = found.some(({ mapping }) => 'to' in mapping && /^(broker|requester)\./.test(mapping.to));
  return { agent: calls || !listens, requester: listens && !calls };
}

/** How to go on, and where a key that is not there means something else here than in Bacalhau. */
export function explainDifferences(
  found: readonly FoundKey[],
  generation: string,
  { agent, requester }: Roles,
  set: Result,
): string[] {
  const notes: string[] = [];
  if (found.some(({ key, mapping }) => 'to' in mapping && /\.ControlPlaneSettings\./i.test(key))) {
    notes.push(
      'Bacalhau 1.4.0 reads ControlPlaneSettings and goes by its defaults all the same; muster goes by them',
    );
  }
  if (requester && !set.has('requester.manualApproval')) {
    notes.push(
      'new nodes wait for approval; to let them in at once as Bacalhau does: requester.manualApproval: false',
    );
  }
  if (requester && !set.has('broker.host')) {
    notes.push(
      'the broker listens on 127.0.0.1; to listen on every address as that of Bacalhau does: broker.host: 0.0.0.0',
    );
  }
  if (agent && requester) notes.push(...sideBySide(set));
  if (agent && generation !== 'from 1.5 on' && !set.has('compute.heartbeatTopic')) {
    notes.push('to join an orchestrator of Bacalhau up to 1.4: compute.heartbeatTopic: heartbeat');
  }
  const commands = [...(requester ? ['"muster requester"'] : []), ...(agent ? ['"muster agent"'] : [])];
  if (commands.length > 0)
    notes.push(`start it with ${commands.join(' and ')}: which role runs is no setting`);
  return notes;
}

/** What the agent of a machine needs where its requester is: in the file it would keep that from starting, or be its own. */
function sideBySide(set: Result): string[] {
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

function enabled(value: Node): boolean {
  return isScalar(value) && convertValue(scalarText(value), 'boolean') === 'true';
}

/** `Node.Type` is a list, or text with commas. */
function listed(value: Node): string[] {
  const texts = isSeq(value) ? (value.items as Node[]).map(scalarText) : scalarText(value).split(',');
  const names: Record<string, string> = { compute: 'agent', requester: 'requester' };
  return texts.flatMap(text => names[text.trim().toLowerCase()] ?? []);
}
