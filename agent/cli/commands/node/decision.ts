// `muster node approve`, `reject` and `delete` send an operator's decision about one node.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print, showMessage } from '../../../output/terminal.ts';
import { isUnverified } from '../../../protocol/listed-node.ts';
import type { Argv, Command, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';

const operands = { id: 'the whole id of a node' };

const common = {
  message: { value: 'TEXT', short: 'm', help: 'the reason; at most 1024 characters' },
  fingerprint: { value: 'F', help: "decide only if this is the fingerprint of the node's key" },
} satisfies FlagTable;

const deleting = {
  ...common,
  ban: { help: "refuse the node's key for ever, because the machine was stolen or does harm" },
} satisfies FlagTable;

type Action = 'approve' | 'reject' | 'delete';

const examples: Readonly<Record<Action, readonly Example[]>> = {
  approve: [
    ['muster node approve node-1', 'let node-1 take part'],
    [
      'muster node approve node-1 --fingerprint BDWE-AMSB-5ZAN-P4NC',
      'only if it has the key whose fingerprint that machine shows',
    ],
  ],
  reject: [
    ['muster node reject node-1', 'refuse node-1'],
    ['muster node reject node-1 -m "its disk is broken"', 'tell the node why'],
  ],
  delete: [
    ['muster node delete node-1 -m "returned to the vendor"', 'remove node-1 from the roll'],
    ['muster node delete node-1 --ban -m stolen', 'and never let its key in again'],
  ],
};

/** Returns the command that carries out `action`. */
export function decision(action: Action): Command {
  return {
    settings: apiSettings,
    operands,
    flags: action === 'delete' ? deleting : common,
    examples: examples[action],
    async run(argv: Argv<typeof common & Partial<typeof deleting>, keyof typeof operands>) {
      const api = await requesterApi(argv.load);
      const { message = '', fingerprint, ban } = argv.flags;
      const node = await api.decide(argv.operands.id, {
        Action: action,
        Message: message,
        Actor: actor(),
        // An empty one is refused: a script whose variable is empty wants the key to be checked.
        ...(fingerprint === undefined ? {} : { Fingerprint: fingerprint }),
        ...(ban ? { Ban: true } : {}),
      });
      if (action === 'approve' && node && isUnverified(node)) warnOfUnverified(node.Info.NodeID);
      print('Ok\n');
      return 0;
    },
  };
}

const warnOfUnverified = (id: string): void =>
  showMessage('Warning', `no key of ${id} is checked (unverified)`, {
    more: [
      'whoever has the token of the Bacalhau nodes can be this node',
      'on a NATS that does not ask the requester, so can whoever may speak there',
    ],
  });
