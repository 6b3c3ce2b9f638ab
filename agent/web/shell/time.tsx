// Shows times: how long ago something happened, by the clock of the requester, and the day and hour when one points at it.
import { durationText } from '../../protocol/unit-text.ts';
import { requesterNow, second } from '../feed/roll.ts';

/** Returns a time in milliseconds since 1970 as `2026-11-28 02:10:44` in UTC. */
export const dayAndTime = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

/** Shows how long ago a time is, or how long it is until then, and keeps that true. */
export function Ago({ at }: { at: number }) {
  second.value;
  const ms = requesterNow() - at;
  const text = ms < -1_000 ? `in ${durationText(-ms)}` : `${durationText(ms)} ago`;
  return (
    <time dateTime={new Date(at).toISOString()} title={`${dayAndTime(at)} UTC`}>
      {text}
    </time>
  );
}
