// The kind of the flag that says for how long a token or a join code is valid. It knows days, unlike the settings.
import { type Kind, Refusal, readText } from '../../config/kind.ts';
import { parseDuration } from '../../config/units.ts';

const daySeconds = 24 * 3_600;

/** Returns the kind of a time from one minute to `maxDays` days. Its values are whole seconds. */
export const validity = (maxDays: number): Kind<number> => ({
  name: 'time',
  read(input) {
    const text = readText(input);
    const days = /^(\d{1,4})d$/.exec(text)?.[1];
    const seconds = days === undefined ? (parseDuration(text) ?? 0) / 1_000 : Number(days) * daySeconds;
    if (seconds >= 60 && seconds <= maxDays * daySeconds) return Math.floor(seconds);
    throw new Refusal(`is not a time from 1m to ${maxDays}d; allowed: like 30d, 12h, 1h30m`);
  },
  plain: seconds => `${seconds}s`,
});
