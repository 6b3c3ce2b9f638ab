// Says whether a stream has all that a copy of it has.
import type { StreamCounts } from '../../transport/port.ts';
import type { StreamPart } from './backup-format.ts';

/**
 * Returns whether a stream has what its copy has, and nothing else. The oldest messages may be missing, because they have
 * become too old meanwhile.
 */
export function isWhole(
  { messages, lastSequence, state }: Pick<StreamPart, 'messages' | 'lastSequence' | 'state'>,
  now: Pick<StreamCounts, 'messages' | 'firstSequence' | 'lastSequence'>,
): boolean {
  if (now.lastSequence !== lastSequence) return false;
  const missing = messages - now.messages;
  if (missing === 0) return true;
  const first = Number(state.first_seq ?? 0);
  // Not more can have become too old than there were numbers before the one that is the oldest now.
  return missing > 0 && missing <= now.firstSequence - first;
}
