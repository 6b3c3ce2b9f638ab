// The flag by which an operator says why: all commands that decide about nodes have it.
import { type Kind, Refusal, readText } from '../../../config/kind.ts';
import type { Flag } from '../../line/command.ts';

/** Number of characters of a reason that the requester takes. */
const maxCharacters = 1_024;

/** A reason is refused before anybody is asked or anything is sent. Blanks alone are no reason. */
const reason: Kind<string> = {
  name: 'text',
  read(input) {
    const text = readText(input).trim();
    if (text.length <= maxCharacters) return text;
    throw new Refusal(`has ${text.length} characters; allowed: at most ${maxCharacters}`, 'the reason');
  },
  plain: text => text,
};

export const messageFlag = {
  value: 'TEXT',
  kind: reason,
  short: 'm',
  help: `the reason; at most ${maxCharacters} characters`,
} as const satisfies Flag;
