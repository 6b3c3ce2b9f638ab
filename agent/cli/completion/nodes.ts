// Asks the requester for the nodes that may complete an unfinished command line.
import type { ShownNode } from '../../api/answers.ts';
import { requesterApi } from '../../api/client.ts';
import { loadSettings } from '../../config/load.ts';
import { statusOf } from '../../protocol/listed-node.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import { lex } from '../line/argv.ts';
import type { Candidate, UnfinishedLine } from './candidates.ts';

/** The nodes that each command can change. The requester checks it again. */
const filters: Readonly<Record<string, (node: ShownNode) => boolean>> = {
  'node approve': node => node.Membership !== 'APPROVED',
  'node reject': node => node.Membership !== 'REJECTED' && node.Info.NodeType !== 'Requester',
  'node delete': node => node.Info.NodeType !== 'Requester',
  'node rekey': node => node.Info.NodeType !== 'Requester',
  'node rename': node => node.Info.Agent?.TakesID === true,
};

/** Returns the nodes that may follow `line`. Throws MusterError, also when no answer comes within `deadlineMs`. */
export async function nodeCandidates(line: UnfinishedLine, deadlineMs: number): Promise<Candidate[]> {
  const { configFile, flags } = settingsOf(line);
  const load = (options: object) => loadSettings({ configFile, flags, ...options });
  const nodes = await (await requesterApi(load, { deadlineMs })).nodes({});
  const fitting = nodes.filter(filters[line.path.join(' ')] ?? (() => true));
  return fitting.flatMap(node => {
    const word = node.Info.NodeID;
    const help = `${node.Info.NodeType} ${node.Membership} ${statusOf(node)}`;
    // A requester must not be able to make the shell insert any text except an id.
    return nodeIdPattern.test(word) ? { word, help } : [];
  });
}

/** Returns the settings in the words of the line. Unfinished and wrong flags are ignored. */
function settingsOf({ words, flags: table }: UnfinishedLine) {
  const flags: Record<string, string> = {};
  let configFile: string | undefined;
  for (const token of lex(words, table)) {
    if (token.kind !== 'option' || token.value === undefined) continue;
    const setting = Object.hasOwn(table, token.name) ? table[token.name]?.setting : undefined;
    if (token.name === 'config') configFile = token.value;
    else if (setting) flags[setting] = token.value;
  }
  return { configFile, flags };
}
