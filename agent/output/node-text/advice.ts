// Says what an operator can do about a node: each thing with the command that does it.
import type { Advice } from '../../protocol/explanation.ts';
import { isUnverified, type ListedNode } from '../../protocol/listed-node.ts';
import { hostOf } from '../node-columns.ts';

/** Returns what can be done about a node, the most urgent first; nothing for one that is well. */
export function adviceFor(node: ListedNode): Advice[] {
  const { Info, Membership, Muster } = node;
  if (Info.NodeType === 'Requester') return [];
  const id = Info.NodeID;
  const host = hostOf(node);
  const there = (Why: string, Command: string): Advice => ({
    Why,
    Command,
    On: host && host !== id ? host : `the machine of ${id}`,
  });
  return [
    ...membershipAdvice(node),
    ...(isAwaited(node)
      ? [there('let it come back at once (its agent asks every ten minutes)', 'muster agent register')]
      : []),
    ...(Membership === 'APPROVED' && Muster && Muster.Health !== 'HEALTHY' ? silenceAdvice(node, there) : []),
    ...conditionAdvice(node, there),
    ...(Muster?.Cordon ? [{ Why: 'let it have work again', Command: `muster node uncordon ${id}` }] : []),
  ];
}

/** Whether an operator brought a deleted node back, and nothing was heard of it since. */
function isAwaited({ ConnectionState, Muster }: ListedNode): boolean {
  const { UndeletedAt, Forgotten } = Muster?.Former ?? {};
  // The agent of a node that was forgotten for its silence does not run.
  if (UndeletedAt === undefined || Forgotten || Muster?.Silence !== undefined) return false;
  const heardAt = ConnectionState?.LastHeartbeat;
  return !heardAt || Date.parse(heardAt) < Date.parse(UndeletedAt);
}

function conditionAdvice({ Info }: ListedNode, there: (why: string, command: string) => Advice): Advice[] {
  const types = (Info.Conditions ?? []).map(({ Type }) => Type);
  const isOfGpu = (type: string) => type.startsWith('Gpu');
  return [
    ...(types.some(isOfGpu)
      ? [there('see what each source says of its GPUs', 'muster probe --sources')]
      : []),
    ...(types.every(isOfGpu) ? [] : [there('find out what its conditions come from', 'muster doctor')]),
  ];
}

function membershipAdvice(node: ListedNode): Advice[] {
  const { Info, Membership, Muster } = node;
  const id = Info.NodeID;
  if (Membership === 'REJECTED')
    return [{ Why: 'let it take part after all', Command: `muster node approve ${id}` }];
  if (Membership === 'APPROVED') return [];
  const key = Muster?.Fingerprint ? ` --fingerprint ${Muster.Fingerprint}` : '';
  const compare = key ? ', if its own muster status shows this fingerprint' : '';
  const unchecked = isUnverified(node) ? ', although nobody checks a key of it' : '';
  return [
    { Why: `let it take part${compare}${unchecked}`, Command: `muster node approve ${id}${key}` },
    { Why: 'refuse it', Command: `muster node reject ${id} -m REASON` },
  ];
}

function silenceAdvice(
  { Info, ConnectionState }: ListedNode,
  there: (why: string, command: string) => Advice,
): Advice[] {
  const start =
    ConnectionState?.LastError === 'graceful shutdown'
      ? there('see whether its agent should run again', 'muster service status')
      : there('find out why nothing is heard of it', 'muster doctor');
  const gone = { Why: 'if it is gone for good', Command: `muster node delete ${Info.NodeID} -m REASON` };
  return [start, gone];
}
