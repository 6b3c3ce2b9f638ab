// Defines the flag of all commands that can print their result in more than one format.
import { choice } from '../../config/kind.ts';

/** Returns `-o, --output FORMAT`. The default is the first format. */
export const outputFlag = <const Format extends string>(first: Format, ...others: Format[]) =>
  ({
    value: 'FORMAT',
    short: 'o',
    kind: choice(first, ...others),
    default: first,
    help: 'format of the result',
  }) as const;
