// `muster doctor`: looks at all that this machine needs to take part, and says what to do about what is wrong. Changes nothing.
import { mayColour, systemEnvironment } from '../../config/environment.ts';
import { choice, path } from '../../config/kind.ts';
import { roles } from '../../config/role.ts';
import { type Archive, archiveAt } from '../../doctor/archive.ts';
import type { Gathered, LeftOut } from '../../doctor/check-messages.ts';
import { runLooker } from '../../doctor/check-process.ts';
import type { CheckResult } from '../../doctor/checks/check.ts';
import { archiveText, resultsJson, sumText, type Written, worst } from '../../doctor/render.ts';
import { Listener } from '../../doctor/result-collector.ts';
import { jsonText } from '../../output/data.ts';
import { print } from '../../output/terminal.ts';
import { selfCommand } from '../../roles/own-command.ts';
import { systemClock } from '../../system/clock.ts';
import { lex } from '../line/argv.ts';
import { type Argv, type FlagTable, globalFlags } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';

export const settings = 'all';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles),
    help: 'look at this role; without it, at those that were set up here',
  },
  output: outputFlag('text', 'json'),
  bundle: {
    value: 'FILE',
    kind: path,
    help: 'also write an archive for a fault report (.tar, .tar.gz, .tar.zst), without secrets',
  },
} as const satisfies FlagTable;

/** Milliseconds for everything; each check, and each part of an archive, has a deadline of its own within it. */
const deadlines = { checks: 40_000, archive: 80_000 };

/**
 * Answers 0 when nothing failed, 78 when the configuration did, else 1; with an archive 0 once that is written.
 * Throws MusterError when it cannot be.
 */
export async function run({ flags: { output, bundle } }: Argv<typeof flags>): Promise<number> {
  const archive = bundle === undefined ? undefined : await archiveAt(bundle);
  const text = output === 'text';
  const colour = mayColour(systemEnvironment, process.stdout.isTTY);
  const deadline = archive ? deadlines.archive : deadlines.checks;
  const listener = new Listener({ show: text ? print : undefined, colour, deadline });
  const ending = await runLooker(lookerCommand(), { deadline, told: told => listener.hear(told) });
  const { begun, results, gathered, leftOut } = listener.end(ending);
  if (text) print(sumText(results));
  const document = resultsJson(begun, results, systemClock.now());
  const written = archive && (await write(archive, document, gathered, leftOut));
  if (written && text) print(archiveText(written));
  else if (!text) print(jsonText(written ? { ...document, archive: written } : document));
  return archive ? 0 : exitCode(results);
}

async function write(
  archive: Archive,
  document: object,
  gathered: readonly Gathered[],
  leftOut: readonly LeftOut[],
): Promise<Written> {
  const files = [{ name: 'doctor.json', text: jsonText(document) }, ...gathered].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  const bytes = await archive.write(files, systemClock.now());
  const sizes = files.map(({ name, text }) => ({ name, bytes: Buffer.byteLength(text) }));
  return { file: archive.path, bytes, files: sizes, leftOut };
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
