// The kind of the flags that say for how long a token or a join code is valid. Its values are whole seconds.
import { type Kind, Refusal, readText } from '../../config/kind.ts';
import { parseDuration } from '../../config/units.ts';
import { maxTokenSeconds } from '../../protocol/http-operators.ts';

const daySeconds = 24 * 3_600;

/** The flag that says how long an operator's or a listener's token is valid. */
export const tokenExpiryFlag = {
  value: 'TIME',
  kind: validity(maxTokenSeconds),
  help: 'the token is valid for this time, like 30d or 12h',
} as const;

/** Returns the kind of a time from one minute to `maxSeconds`. Its values are whole seconds. */
export function validity(maxSeconds: number): Kind<number> {
  return {
    name: 'time',
    read(input) {
      const text = readText(input);
      const seconds = (parseDuration(text) ?? 0) / 1_000;
      if (seconds >= 60 && seconds <= maxSeconds) return Math.floor(seconds);
      throw new Refusal(
        `is not a time from 1m to ${maxSeconds / daySeconds}d; allowed: like 30d, 12h, 1h30m`,
      );
    },
    plain: seconds => `${seconds}s`,
  };
}
