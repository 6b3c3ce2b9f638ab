// Carries out what a command decides, for each node that it is about, and tells what became of each.
import { type ApiClient, requesterApi } from '../../../api/client.ts';
import { isAtTerminal } from '../../../output/ask-yes.ts';
import { formatAs } from '../../../output/data.ts';
import { note, print } from '../../../output/terminal.ts';
import { catchInterruption, endBySignal } from '../../../roles/interruption.ts';
import type { MusterError } from '../../../system/errors.ts';
import { carryOut, type Outcome, type Target } from './carry-out.ts';
import { type Choice, type ChoosingArgv, chooseNodes } from './choose-nodes.ts';
import type { Deed } from './deed.ts';
import { commandFor, outcomeLines, summary } from './outcome-text.ts';

/** The part of a command line that every command about many nodes has. */
export type DecidingArgv = Pick<ChoosingArgv, 'load' | 'given'> & {
  flags: Pick<ChoosingArgv['flags'], 'output'>;
};

/**
 * Does what `deed` says to the nodes that the command line names or selects, and returns the exit code. One typed id is answered
 * with `Ok` or its error, several with a line each. The commands that decide about nodes call it. @throws MusterError as
 * `chooseNodes`, and for one typed id what `deed.act` throws.
 */
export const decideAbout = (argv: ChoosingArgv, makeDeed: (api: ApiClient) => Deed): Promise<number> =>
  decideAboutChosen(argv, makeDeed, (deed, api) => chooseNodes(argv, deed, api));

/** Does what `decideAbout` does, to the nodes that `choose` returns. */
export async function decideAboutChosen(
  argv: DecidingArgv,
  makeDeed: (api: ApiClient) => Deed,
  choose: (deed: Deed, api: ApiClient) => Promise<Choice>,
): Promise<number> {
  const api = await requesterApi(argv.load);
  const deed = makeDeed(api);
  const { targets, isSelection } = await choose(deed, api);
  const isText = argv.flags.output === 'text';
  const isSingle = !isSelection && targets.length === 1;
  const caught = isSingle
    ? undefined
    : catchInterruption(() => note('Stopping: only what is under way is awaited.'));
  const lines = outcomeLines(deed);
  const errors: MusterError[] = [];
  const outcomes = await carryOut(
    targets,
    deed.act,
    () => caught?.signal !== undefined,
    (outcome, error) => {
      if (error) errors.push(error);
      if (!isSingle && isText) lines.show(outcome);
    },
  );
  caught?.release();
  if (!isText) print(await formatAs(argv.flags.output, outcomes, () => ''));
  if (isSingle && errors[0]) throw errors[0];
  if (isSingle && isText) print('Ok\n');
  const code = isSingle ? 0 : summary(argv.given, deed, outcomes);
  if (isSelection && isAtTerminal()) tellHowToTakeBack(argv, deed, targets, outcomes);
  if (caught?.signal !== undefined) endBySignal(caught.signal);
  return code;
}

function tellHowToTakeBack(
  argv: DecidingArgv,
  deed: Deed,
  targets: readonly Target[],
  outcomes: readonly Outcome[],
): void {
  const done = targets.filter((_, index) => outcomes[index]?.Result === 'done');
  const back = deed.takenBackBy?.(done);
  if (!back || back.ids.length === 0) return;
  note(`To take it back: ${commandFor({ ...deed, ...back }, argv.given, Object.keys(deed.flags), back.ids)}`);
}
