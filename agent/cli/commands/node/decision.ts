// `muster node approve`, `reject` and `delete` send an operator's decision about one node.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { DecisionAction } from '../../../protocol/http.ts';
import type { Argv, Command, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';

const operands = { id: 'the whole id of a node' };

const flags = {
  message: { value: 'TEXT', short: 'm', help: 'the reason; at most 1024 characters' },
} satisfies FlagTable;

const examples: Readonly<Record<DecisionAction, readonly Example[]>> = {
  approve: [
    ['muster node approve node-1', 'let node-1 take part'],
    ['muster node approve node-1 -m "checked by Ada"', 'give the reason too'],
  ],
  reject: [
    ['muster node reject node-1', 'refuse node-1'],
    ['muster node reject node-1 -m "its disk is broken"', 'tell the node why'],
  ],
  delete: [
    ['muster node delete node-1', 'remove node-1 from the roll'],
    ['muster node delete node-1 -m "returned to the vendor"', 'record the reason in the event'],
  ],
};

/** Returns the command that carries out `action`. */
export function decision(action: DecisionAction): Command {
  return {
    settings: apiSettings,
    operands,
    flags,
    examples: examples[action],
    async run(argv: Argv<typeof flags, keyof typeof operands>) {
      const api = await requesterApi(argv.load);
      const body = { Action: action, Message: argv.flags.message ?? '', Actor: actor() };
      await api.decide(argv.operands.id, body);
      print('Ok\n');
      return 0;
    },
  };
}
