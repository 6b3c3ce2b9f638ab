// Waits until the node of this machine is approved, and says meanwhile what it waits for.
import type { AgentStatus } from '../../../compute/agent-status.ts';
import { formatDuration } from '../../../config/units.ts';
import { type Clock, sleep } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';

export interface WaitOptions {
  /** Returns the status of the agent; undefined when none runs. */
  ask(): Promise<AgentStatus | undefined>;
  /** The cluster that the node joins. */
  cluster: string;
  clock: Clock;
  /** The longest wait, in milliseconds; undefined for no limit. */
  timeoutMs: number | undefined;
  /** Shows what the node waits for, each time when that changes. */
  tell(text: string): void;
}

/** Time between two questions to the agent, in milliseconds. */
const pollMs = 500;

/** What a status means for the wait. */
export type WaitStep =
  | { kind: 'done' }
  | { kind: 'wait'; text: string }
  | { kind: 'failed'; text: string; hint: string | undefined };

/**
 * Resolves when the node is approved. @throws MusterError `failed` when it is rejected or refused, with the reason, and when
 * the time is over.
 */
export async function waitForApproval({ ask, cluster, clock, timeoutMs, tell }: WaitOptions): Promise<void> {
  const began = clock.monotonic();
  let told = '';
  for (;;) {
    const step = judgeStatus(await ask(), cluster);
    if (step.kind === 'done') return;
    if (step.kind === 'failed')
      throw new MusterError('failed', step.text, step.hint ? { hint: step.hint } : {});
    if (step.text !== told) tell(step.text);
    told = step.text;
    if (timeoutMs !== undefined && clock.monotonic() - began >= timeoutMs)
      throw new MusterError('failed', `not approved within ${formatDuration(timeoutMs)}: ${step.text}`, {
        hint: 'the agent goes on by itself; see muster status',
      });
    await sleep(clock, pollMs);
  }
}

/** Says what the status of the agent means: a pure rule. */
export function judgeStatus(status: AgentStatus | undefined, cluster: string): WaitStep {
  if (!status) return { kind: 'wait', text: 'waiting for an agent to start on this machine' };
  const { state, node, fingerprint, troubles = [] } = status;
  // What the old cluster said of the node means nothing for the new one.
  const isHere = status.cluster === undefined || status.cluster === cluster;
  const ends = troubles.find(({ code }) => endingTroubles.some(ending => ending === code));
  if (isHere && ends && status.refusal !== 'unavailable')
    return { kind: 'failed', text: ends.text, hint: ends.hint };
  if (isHere && state === 'approved') return { kind: 'done' };
  if (isHere && state === 'pending') {
    const approve = `muster node approve ${node} --fingerprint ${fingerprint}`;
    return { kind: 'wait', text: `waiting for approval of node ${node}; on the requester: ${approve}` };
  }
  const [trouble] = troubles;
  return {
    kind: 'wait',
    text: trouble ? trouble.text : `waiting for the requester to register node ${node}`,
  };
}

/** The troubles that no waiting ends. */
const endingTroubles = ['rejected', 'deleted', 'refused', 'key_refused'] as const;
