// Makes the inventory that Ansible asks a script for: the compute nodes, in groups by approval, status and labels, and those
// that may have work.
import { hostOf } from '../../../output/node-columns.ts';
import { type ListedNode, statusOf } from '../../../protocol/listed-node.ts';

/** A value of an inventory. Ansible carries out templates in a text, unless the text is marked as unsafe. */
type Value = string | { __ansible_unsafe: string } | Value[] | { [name: string]: Value };

/** Names that mean something else in Ansible: a play on localhost, with its secrets, would go to the node of this id. */
const namesOfAnsible: readonly string[] = ['localhost', 'all', 'ungrouped'];

/**
 * Returns the inventory, as `ansible-inventory --list` shows one. Requesters are left out, and so are nodes whose ids mean
 * something else in Ansible: `onLeftOut` hears of each. Nodes write their labels and host names themselves, so none of those
 * may be carried out or become an option of ssh.
 */
export async function ansibleInventory(
  nodes: AsyncIterable<ListedNode>,
  onLeftOut: (id: string) => void,
): Promise<Record<string, unknown>> {
  const variables = new Map<string, Record<string, Value>>();
  const groups = new Map<string, { hosts: string[] }>();
  for await (const node of nodes) {
    if (node.Info.NodeType === 'Requester') continue;
    if (namesOfAnsible.includes(node.Info.NodeID)) {
      onLeftOut(node.Info.NodeID);
      continue;
    }
    variables.set(node.Info.NodeID, variablesOf(node));
    for (const name of groupsOf(node)) {
      const group = groups.get(name) ?? { hosts: [] };
      group.hosts.push(node.Info.NodeID);
      groups.set(name, group);
    }
  }
  const hostvars = Object.fromEntries(variables);
  const children = ['ungrouped', ...groups.keys()].sort();
  return { _meta: { hostvars }, all: { children }, ...Object.fromEntries(groups) };
}

function variablesOf(node: ListedNode): Record<string, Value> {
  const { Info, Membership } = node;
  const address = addressOf(node);
  return {
    ...(address ? { ansible_host: address } : {}),
    muster_id: Info.NodeID,
    muster_approval: Membership,
    muster_status: statusOf(node),
    muster_host: plain(Info.Hostname ?? ''),
    muster_conditions: (Info.Conditions ?? []).map(({ Type }) => plain(Type)),
    muster_labels: Object.fromEntries(
      Object.entries(Info.Labels ?? {})
        // Such a key says of which kind a value is: Ansible would try to decrypt it, and the play would fail.
        .filter(([key]) => !key.startsWith('__ansible_'))
        .map(([key, value]) => [key, plain(value)]),
    ),
  };
}

/** Returns the groups of a node, each once: two labels may have the same name in Ansible. */
function groupsOf(node: ListedNode): Set<string> {
  const schedulable = node.Muster?.Schedulable ? ['schedulable'] : [];
  const labels = Object.entries(node.Info.Labels ?? {}).map(([key, value]) => `label_${key}_${value}`);
  const approval = `approval_${node.Membership || 'none'}`.toLowerCase();
  const status = `status_${statusOf(node)}`.toLowerCase();
  return new Set([approval, status, ...schedulable, ...labels].map(groupName));
}

/** A name of a group has letters, digits and underscores. It never begins with a digit here. */
const groupName = (text: string): string => text.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 200);

/** Returns where ssh finds the node: its address, or its host; undefined when the name that it sends is none of a host. */
function addressOf(node: ListedNode): string | undefined {
  const host = node.Info.Address?.IP ?? hostOf(node);
  // Ssh would take a name that begins with a hyphen for an option.
  return /^[A-Za-z0-9][A-Za-z0-9.:_-]{0,254}$/.test(host) ? host : undefined;
}

/** Returns a text from a node, marked when Ansible could take a part of it for a template. */
const plain = (text: string): Value => (/\{[{%#]/.test(text) ? { __ansible_unsafe: text } : text);
