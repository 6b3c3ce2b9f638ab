// `muster doctor`: looks at all that this machine needs to take part, and says what to do about what is wrong. Changes nothing.
import { mayColour, systemEnvironment } from '../config/environment.ts';
import { choice } from '../config/kind.ts';
import { systemClock } from '../system/clock.ts';
import { lex } from './argv.ts';
import { type Argv, type FlagTable, globalFlags } from './command.ts';
import { jsonText } from './data.ts';
import type { CheckResult } from './doctor/check.ts';
import { Listener } from './doctor/listener.ts';
import { runLooker } from './doctor/looker.ts';
import { resultsJson, sumText, worst } from './doctor/show.ts';
import { selfCommand } from './self.ts';
import { print } from './terminal.ts';

export const settings = 'all';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice('agent', 'requester'),
    help: 'look at this role; without it, at those that were set up here',
  },
  output: {
    value: 'FORMAT',
    short: 'o',
    kind: choice('text', 'json'),
    default: 'text',
    help: 'how to print it',
  },
} as const satisfies FlagTable;

/** Milliseconds for everything; each check has a deadline of its own within it. */
const deadline = 40_000;

/** Answers 0 when nothing failed, 78 when the configuration did, else 1. */
export async function run({ flags: { output } }: Argv<typeof flags>): Promise<number> {
  const colour = mayColour(systemEnvironment, process.stdout.isTTY);
  const listener = new Listener({ show: output === 'text' ? print : undefined, colour, deadline });
  const ending = await runLooker(lookerCommand(), { deadline, told: told => listener.hear(told) });
  const { begun, results } = listener.end(ending);
  if (output === 'json') print(jsonText(resultsJson(begun, results, systemClock.now())));
  else print(sumText(results));
  return exitCode(results);
}

/** This same command line, for the process that looks. */
function lookerCommand() {
  const args = process.argv.slice(2);
  const name = lex(args, globalFlags).find(token => token.kind === 'positional');
  return selfCommand(...args.map((word, index) => (index === name?.index ? 'doctor-checks' : word)));
}

function exitCode(results: readonly CheckResult[]): number {
  const bad = results.filter(({ findings }) => worst(findings) === 'failed');
  if (bad.some(({ check }) => check === 'configuration')) return 78;
  return bad.length > 0 ? 1 : 0;
}
