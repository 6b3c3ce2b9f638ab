// The nodes that a shell may complete, asked from the requester that an unfinished command line names.

import { type ShownNode, statusOf } from '../../api/answers.ts';
import { requesterApi } from '../../api/client.ts';
import { loadSettings } from '../../config/load.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import { lex } from '../line/argv.ts';
import type { Candidate, Line } from './candidates.ts';

/** For which nodes a decision can be asked; the requester has the last word. */
const fit: Readonly<Record<string, (node: ShownNode) => boolean>> = {
  'node approve': node => node.Membership !== 'APPROVED',
  'node reject': node => node.Membership !== 'REJECTED' && node.Info.NodeType !== 'Requester',
  'node delete': node => node.Info.NodeType !== 'Requester',
};

/** The nodes that may follow `line`, within `deadline` milliseconds. Throws MusterError. */
export async function nodeCandidates(line: Line, deadline: number): Promise<Candidate[]> {
  const { configFile, flags } = settingsOf(line);
  const load = (options: object) => loadSettings({ configFile, flags, ...options });
  const nodes = await (await requesterApi(load, { deadline })).nodes({});
  const shown = nodes.filter(fit[line.path.join(' ')] ?? (() => true));
  return shown.flatMap(node => {
    const word = node.Info.NodeID;
    const help = `${node.Info.NodeType} ${node.Membership} ${statusOf(node)}`;
    // What a shell takes for a word of its own must not come from elsewhere.
    return nodeIdPattern.test(word) ? { word, help } : [];
  });
}

/** Settings as the words of the line give them; what is unfinished or wrong gives nothing. */
function settingsOf({ words, table }: Line) {
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
