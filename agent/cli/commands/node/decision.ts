// `muster node approve`, `reject` and `delete`: an operator's decision about one node.
import { hostname, userInfo } from 'node:os';
import { apiSettings, type NodeChange, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Command, FlagTable } from '../../line/command.ts';

const operands = { id: 'the id of a node, or enough of its beginning' };

const flags = {
  message: { value: 'TEXT', short: 'm', help: 'why, for those who look later; at most 1024 characters' },
} satisfies FlagTable;

/** The command that does `action`. */
export function decision(action: NodeChange['Action']): Command {
  return {
    settings: apiSettings,
    operands,
    flags,
    async run(argv: Argv<typeof flags, keyof typeof operands>) {
      const api = await requesterApi(argv.load);
      const change = { Action: action, Message: argv.flags.message ?? '', Actor: actor() };
      await api.change(argv.operands.id, change);
      print('Ok\n');
      return 0;
    },
  };
}

/** Who runs this: `user@host`. The requester keeps it as a claim, not as proof. */
function actor(): string {
  return printable(`${userName()}@${hostname()}`, 255);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the password file.
    return `uid ${process.getuid?.()}`;
  }
}
