// `muster doctor` checks what this machine needs to take part in a cluster, and says what to do. It changes nothing.
import { mayColour, systemEnvironment } from '../../config/environment.ts';
import { choice, path } from '../../config/kind.ts';
import { roles } from '../../config/role.ts';
import { runDoctor } from '../../doctor/run-doctor.ts';
import { standardOutput } from '../../output/standard-output.ts';
import { print } from '../../output/terminal.ts';
import { type OwnCommand, ownCommand } from '../../roles/own-command.ts';
import { lex } from '../line/argv.ts';
import { type Argv, type Example, type FlagTable, globalFlags } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';

export const settings = 'all';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles),
    help: 'check one role instead of every role that was set up here',
  },
  output: outputFlag('text', 'json'),
  bundle: {
    value: 'FILE',
    kind: path,
    help: 'also write an archive for a fault report (.tar, .tar.gz, .tar.zst), without secrets',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster doctor', 'check every role that was set up on this machine'],
  ['muster doctor --role agent --bundle report.tar.gz', 'also write an archive for a fault report'],
];

export function run({ flags: { output, bundle } }: Argv<typeof flags>): Promise<number> {
  const { isTTY, columns } = standardOutput();
  const look = { colour: mayColour(systemEnvironment, isTTY), columns: isTTY ? columns : undefined };
  return runDoctor({ output, look, bundle, command: checksCommand(), print });
}

/** Returns the present command line with `doctor-checks` in place of `doctor`. */
function checksCommand(): OwnCommand {
  const args = process.argv.slice(2);
  const name = lex(args, globalFlags).find(token => token.kind === 'positional');
  return ownCommand(...args.map((word, index) => (index === name?.index ? 'doctor-checks' : word)));
}
