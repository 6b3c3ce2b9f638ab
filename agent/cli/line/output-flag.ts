// The flag of all commands that print a result in more than one way.
import { choice } from '../../config/kind.ts';

/** `-o, --output FORMAT`: one of `formats`, the first unless told. */
export const outputFlag = <const Format extends string>(first: Format, ...others: Format[]) =>
  ({
    value: 'FORMAT',
    short: 'o',
    kind: choice(first, ...others),
    default: first,
    help: 'how to print the result',
  }) as const;
