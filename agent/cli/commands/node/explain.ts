// `muster node explain` says how a node came to its state, what comes next, and what to do about it.
import type { ShownEvent } from '../../../api/answers.ts';
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { adviceFor } from '../../../output/node-text/advice.ts';
import { outputWidth, print } from '../../../output/terminal.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { explainNodeText, type NodeExplanation } from './explain-node-text.ts';
import { findNode } from './find-node.ts';

export const settings = apiSettings;

export const operands = { id: 'the id of a node, or a unique beginning of it' };

export const flags = {
  output: outputFlag('text', 'json', 'yaml'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node explain gpu-7', 'see why a node is as it is, and what to do about it'],
  ['muster node explain gpu-7 -o json', 'show it to a script'],
];

/** Number of the events that are shown. */
const mostEvents = 10;

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const api = await requesterApi(argv.load);
  const Node = await findNode(api, argv.operands.id);
  const explanation: NodeExplanation = {
    Node,
    ...(await lastEvents(api, Node.Info.NodeID)),
    Advice: adviceFor(Node),
  };
  const text = () => explainNodeText(explanation, systemClock.now(), outputWidth());
  print(await formatAs(argv.flags.output, explanation, text));
  return 0;
}

/** Returns the last events of a node. The rest is worth telling when they cannot be read. */
async function lastEvents(
  api: ApiClient,
  id: string,
): Promise<Pick<NodeExplanation, 'Events' | 'EventsFault'>> {
  const events: ShownEvent[] = [];
  try {
    for await (const event of api.events({ node: id }, { onUnreadable: () => undefined })) {
      events.push(event);
      if (events.length > mostEvents) events.shift();
    }
    return { Events: events };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return { Events: [], EventsFault: error.message };
  }
}
