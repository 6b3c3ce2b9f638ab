// Says for people that a node is cordoned or drained, why, and what is still awaited.
import type { ListedNode } from '../../protocol/listed-node.ts';
import { operatorText } from '../../protocol/operator-text.ts';
import { timeText } from '../../protocol/unit-text.ts';

/** Returns who cordoned the node, when, and until when; undefined when it is not cordoned. */
export function cordonText({ Muster }: ListedNode, now: Date): string | undefined {
  const { Cordon } = Muster ?? {};
  if (!Cordon) return undefined;
  const { Actor, ClaimedActor, At, Until } = Cordon;
  const by = Actor ? `by ${operatorText(Actor, ClaimedActor)}, ` : '';
  const end = Until ? `ends by itself ${timeText(Until, now)}` : 'until an operator ends it';
  return `${by}${timeText(At, now)}; ${end}`;
}

/** Returns how far the drain of a node is; undefined when it is not drained. */
export function drainText(node: ListedNode, now: Date): string | undefined {
  const { Drain } = node.Muster?.Cordon ?? {};
  if (!Drain) return undefined;
  if (Drain.DrainedAt) return `drained ${timeText(Drain.DrainedAt, now)}`;
  const { Deadline } = Drain;
  const isLate = Deadline !== undefined && Date.parse(Deadline) <= now.getTime();
  const until = Deadline
    ? `; ${isLate ? 'its deadline has passed:' : 'its deadline is'} ${timeText(Deadline, now)}`
    : '';
  return `${runningText(node)}${until}`;
}

/** Returns what is known of the work that a drain awaits. */
export function runningText({ Info, Membership, Muster }: ListedNode): string {
  const { NodeID, Agent } = Info;
  const { Health, Executions, ResourcesAt } = Muster ?? {};
  if (Membership === 'REJECTED') return `${NodeID} is REJECTED, so it does not report what it runs`;
  if (Executions && Executions.Running + Executions.Waiting > 0) {
    const count = countText(Executions);
    return Health === 'HEALTHY'
      ? `${NodeID} still runs ${count}`
      : `${NodeID} is silent; it ran ${count} last`;
  }
  if (Health !== 'HEALTHY') return `${NodeID} is silent, so nobody knows what it runs`;
  if (Agent && ResourcesAt && !Executions)
    return `${NodeID} does not say what it runs; set compute.busyFile on that machine`;
  return `${NodeID} has not said yet what it runs`;
}

function countText({ Running, Waiting }: { Running: number; Waiting: number }): string {
  const running = `${Running} ${Running === 1 ? 'execution' : 'executions'}`;
  return Waiting > 0 ? `${running}, and ${Waiting} more wait there` : running;
}
