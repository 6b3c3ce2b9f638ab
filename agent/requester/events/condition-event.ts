// Makes the event of a condition, and reads which conditions the newest one of a node tells of.
import * as v from 'valibot';
import type { ConditionKind, EventData } from '../../protocol/events.ts';
import { parseJson } from '../../protocol/json.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { ConditionNews } from './told-conditions.ts';

/** Returns kind and data of the event. */
export function conditionEvent(
  { Info, Membership }: NodeState,
  { isRaised, type, reason, since, untold, conditions }: ConditionNews,
): { kind: ConditionKind; data: EventData } {
  const state = Membership ? { membership: Membership } : {};
  const data: EventData = {
    node: Info.NodeID,
    previous: state,
    current: state,
    ...(reason ? { reason } : {}),
    condition: { type, ...(since ? { since } : {}) },
    conditions,
    ...(untold > 0 ? { coalesced: untold } : {}),
  };
  return { kind: isRaised ? 'condition-raised' : 'condition-cleared', data };
}

const eventSchema = v.object({
  data: v.object({ conditions: v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64)) }),
});

/**
 * Returns the types of the conditions that are told and not cleared after this event; undefined when it cannot be read. On a
 * NATS of your own others may have published it.
 */
export function readConditionEvent(bytes: Uint8Array): string[] | undefined {
  try {
    return v.parse(eventSchema, parseJson(bytes)).data.conditions;
  } catch {
    return undefined;
  }
}
