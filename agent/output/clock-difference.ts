// Says how the clock of another requester differs from that of the requester whose status is shown.
import { durationText } from '../protocol/unit-text.ts';

/** Returns a sentence without a full stop, such as `the clock of node-9 on host-9 is 24 h ahead of this requester's`. */
export function clockDifferenceText(peer: { requester: string; host: string; clockAheadMs: number }): string {
  const { requester, host, clockAheadMs } = peer;
  const how = clockAheadMs > 0 ? 'ahead of' : 'behind';
  return `the clock of ${requester} on ${host} is ${durationText(Math.abs(clockAheadMs))} ${how} this requester's`;
}
