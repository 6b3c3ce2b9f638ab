// Says in words which CAs the nodes of a cluster trust, and what is left to do to replace one.
import { table } from '../../../output/table.ts';
import type { AuthoritiesView } from '../../../protocol/http-authorities.ts';
import { printable } from '../../../system/printable.ts';

/** Number of nodes that are named. */
const maxNamed = 10;

/** Returns the table of the CAs, and below it what is left to do. */
export function authoritiesText(view: AuthoritiesView): string {
  const rows = view.Authorities.map(({ Pin, Use }) => [Pin, printable(Use)]);
  const steps = view.ApiOnly ? apiSteps(view) : nextSteps(view);
  return [table([['PIN', 'USE'], ...rows]), ...steps.map(line => `${line}\n`)].join('');
}

const restart = 'Restart the requester to use the next CA.';

const pinOf = ({ Authorities }: AuthoritiesView, use: string): string | undefined =>
  Authorities.find(({ Use }) => Use === use)?.Pin;

function nextSteps(view: AuthoritiesView): string[] {
  const { Ready, Missing, MissingNodes, ForcedBy } = view;
  const [next, former] = [pinOf(view, 'next'), pinOf(view, 'former')];
  if (next !== undefined) {
    const names = MissingNodes.slice(0, maxNamed).join(', ');
    const more = Missing > maxNamed ? ` and ${Missing - maxNamed} more` : '';
    const missing = `${Missing} approved ${Missing === 1 ? 'node does' : 'nodes do'} not trust the next CA yet: ${names}${more}`;
    if (ForcedBy !== undefined && Missing > 0) {
      const manual = `After that, run on each of these machines: muster agent trust ${next}`;
      return [`${missing}.`, `${printable(ForcedBy)} wants it to be used all the same.`, manual, restart];
    }
    if (Ready) return ['Every approved node trusts the next CA.', restart];
    const wait = 'A node that runs says that it does with its next report, within a minute by default.';
    return [`${missing}.`, wait, 'To use it all the same: muster broker rotate-ca --force'];
  }
  if (former === undefined) return [];
  return [`When all nodes are back, let them forget the former CA: muster broker forget-ca ${former}`];
}

// No node has to be waited for, but the commands of operators on other machines trust the CA too.
function apiSteps(view: AuthoritiesView): string[] {
  const use = 'Only the HTTP API uses this CA: the nodes reach their broker without it.';
  const former = pinOf(view, 'former');
  if (pinOf(view, 'next') !== undefined) return [use, restart];
  if (former === undefined) return [use];
  return [
    use,
    `Operators on other machines need its pin. Then forget the former CA: muster broker forget-ca ${former}`,
  ];
}
