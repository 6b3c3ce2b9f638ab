// Reads a join code that somebody gave to this machine, and says what is wrong with a bad one.

import { type JoinCode, readJoinCode } from '../../protocol/join-code.ts';
import { durationText, timeText } from '../../protocol/unit-text.ts';
import { MusterError } from '../../system/errors.ts';
import { rememberSecret } from '../../system/secrets.ts';

/** Size of the largest file or input that is read for a code, in bytes. */
export const maxGivenBytes = 16_384;
/**
 * Time that a code may have ended by our clock before it is refused here, in milliseconds. Within it the requester decides,
 * because our clock may be a little ahead.
 */
const clockDoubtMs = 5 * 60_000;

const newCode = 'make a new one on the requester: muster join-code create';

/**
 * Returns the code in `text`. `place` says where it came from, as the beginning of the error. @throws MusterError `failed`
 * that says whether the text is torn, of another version, expired, or no code at all.
 */
export function readGivenCode(text: string, place: string, now: Date): JoinCode {
  rememberSecret(text);
  const reading = readJoinCode(text);
  switch (reading.kind) {
    case 'valid':
      checkEnd(reading.code, place, now);
      return reading.code;
    case 'torn':
      throw new MusterError('failed', `${place}: a part of the join code is missing or was changed`, {
        hint: 'copy the whole line, from muster1. to its end',
      });
    case 'other_version':
      throw new MusterError(
        'failed',
        `${place}: the join code has the form ${reading.version}, which this version of muster does not know`,
        { hint: 'install the version of muster that runs on the requester' },
      );
    case 'not_a_code':
      throw new MusterError('failed', `${place}: this is no join code`, {
        hint: `a join code begins with muster1. ; ${newCode}`,
      });
  }
}

function checkEnd({ endsAt }: JoinCode, place: string, now: Date): void {
  const overMs = now.getTime() - endsAt * 1_000;
  if (overMs <= clockDoubtMs) return;
  const ended = timeText(new Date(endsAt * 1_000).toISOString(), now).replace(/ \(.*/, '');
  throw new MusterError(
    'failed',
    `${place}: the join code ended at ${ended}, ${durationText(overMs)} ago by the clock of this machine`,
    { hint: `${newCode}; if the clock of this machine is wrong, set it first` },
  );
}

/**
 * Refuses a code of another cluster than `known`, unless the operator wants the node to move. @throws MusterError
 * `conflict`
 */
export function refuseOtherCluster(known: string | undefined, { cluster }: JoinCode, move: boolean): void {
  if (known === undefined || known === cluster || move) return;
  throw new MusterError(
    'conflict',
    `the join code is for cluster ${cluster}, and this node is in cluster ${known}`,
    {
      hint: 'to leave that cluster for the other one: muster agent join --move',
    },
  );
}
