// `muster node approve`, `reject` and `delete` send an operator's decision about one node, or about many.
import type { ShownNode } from '../../../api/answers.ts';
import { apiSettings } from '../../../api/client.ts';
import type { Orchestrator } from '../../../api/orchestrator.ts';
import { showMessage, warn } from '../../../output/terminal.ts';
import { isUnverified } from '../../../protocol/listed-node.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Command, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { chosenIds, isSelecting, selectionFlags } from './choose-nodes.ts';
import { decideAbout } from './decide-about.ts';
import type { Deed } from './deed.ts';
import { messageFlag } from './message-flag.ts';

const common = {
  message: messageFlag,
  fingerprint: { value: 'F', help: "decide only if this is the fingerprint of the node's key; for one id" },
  ...selectionFlags,
} satisfies FlagTable;

const deleting = {
  ...common,
  ban: { help: "refuse the node's key for ever, because the machine was stolen or does harm" },
} satisfies FlagTable;

type Action = 'approve' | 'reject' | 'delete';

const examples: Readonly<Record<Action, readonly Example[]>> = {
  approve: [
    ['muster node approve node-1 node-2', 'let two nodes take part'],
    ['muster node approve --filter-approval pending --labels rack=b7', 'let a rack take part, after a look'],
  ],
  reject: [
    ['muster node reject node-1 -m "its disk is broken"', 'refuse a node, and tell it why'],
    ['muster node reject --labels rack=b7', 'take back the approval of a rack'],
  ],
  delete: [
    ['muster node delete node-1 --ban -m stolen', 'remove a node, and never let its key in again'],
    ['muster node delete --silent-for 30d -m gone', 'remove the nodes that were not heard for a month'],
  ],
};

/** What a decision is called once it is made. */
const done = { approve: 'approved', reject: 'rejected', delete: 'deleted' } as const;

/** Returns the command that carries out `action`. */
export function decision(action: Action): Command {
  const flags = action === 'delete' ? deleting : common;
  return {
    settings: apiSettings,
    rest: chosenIds,
    flags,
    examples: examples[action],
    async run(argv: Argv<typeof common & Partial<typeof deleting>>) {
      const { message = '', fingerprint, ban } = argv.flags;
      refuseFingerprintOfMany(argv);
      const unverified: string[] = [];
      let forgetful: Orchestrator | undefined;
      const code = await decideAbout(argv, api => ({
        path: `node ${action}`,
        asks: { Action: action, ...(ban ? { Ban: true } : {}) },
        verb: action,
        done: done[action],
        flags,
        ...(ban ? { consequence: 'and refuse the keys for ever' } : {}),
        leaveOut: ({ Membership }) => (isSo[action] === Membership ? `already ${done[action]}` : undefined),
        takenBackBy: takenBackBy[action],
        async act({ id, ...shown }, operation) {
          const body = {
            Action: action,
            Message: message,
            Actor: actor(),
            // An empty one is refused: a script whose variable is empty wants the key to be checked.
            ...(fingerprint === undefined ? {} : { Fingerprint: fingerprint }),
            ...(ban ? { Ban: true } : {}),
          };
          const node = await api.decide(id, body, { operation, ...shown });
          if (action === 'approve' && node && isUnverified(node)) unverified.push(id);
          if (message !== '') forgetful = api.orchestrator;
        },
      }));
      if (unverified.length > 0) warnOfUnverified(unverified);
      if (forgetful) warn(`Bacalhau ${forgetful.version} keeps no reason of a decision`);
      return code;
    },
  };
}

/** The membership that makes a decision needless. */
const isSo: Readonly<Record<Action, ShownNode['Membership'] | undefined>> = {
  approve: 'APPROVED',
  reject: 'REJECTED',
  delete: undefined,
};

/** What takes a decision back. A node that waited for approval is approved by nobody, so its rejection stays. */
const takenBackBy: Readonly<Record<Action, Deed['takenBackBy']>> = {
  approve: targets => ({ path: 'node reject', ids: targets.map(({ id }) => id) }),
  reject: targets => ({
    path: 'node approve',
    ids: targets.flatMap(({ id, node }) => (node?.Membership === 'APPROVED' ? id : [])),
  }),
  // An orchestrator of Bacalhau keeps nothing of a deleted node.
  delete: targets => ({
    path: 'node undelete',
    ids: targets.flatMap(({ id, node }) => (node?.Muster ? id : [])),
  }),
};

function refuseFingerprintOfMany({ flags: { fingerprint }, rest, given }: Argv<typeof common>): void {
  if (fingerprint === undefined || rest.length === 1) return;
  if (rest.length === 0 && !isSelecting(given)) return;
  const many = rest.length === 0 ? 'a selection' : `${rest.length} ids`;
  throw new MusterError('usage', `--fingerprint and ${many} cannot be given together`, {
    hint: 'a fingerprint is that of one node: name the node by its id alone',
  });
}

function warnOfUnverified(ids: readonly string[]): void {
  const [id = ''] = ids;
  const isOne = ids.length === 1;
  const others = `${id} and ${ids.length - 1} other${ids.length === 2 ? '' : 's'}`;
  showMessage('Warning', `no key of ${isOne ? id : others} is checked (unverified)`, {
    more: [
      `whoever has the token of the Bacalhau nodes can be ${isOne ? 'this node' : 'each of them'}`,
      'on a NATS that does not ask the requester, so can whoever may speak there',
    ],
  });
}
