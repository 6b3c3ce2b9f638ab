// Says in words which CAs the nodes of a cluster trust, and what is left to do to replace one.
import { table } from '../../../output/table.ts';
import type { AuthoritiesView } from '../../../protocol/http-authorities.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';

/** Number of nodes that are named. */
const maxNamed = 10;

/** Returns the table of the CAs, and below it what is left to do. */
export function authoritiesText(view: AuthoritiesView): string {
  const rows = view.Authorities.map(({ Pin, Use }) => [Pin, printable(Use)]);
  const steps = view.ApiOnly ? apiSteps(view) : nextSteps(view);
  return [table([['PIN', 'USE'], ...rows]), ...steps.map(line => `${line}\n`)].join('');
}

/** Returns CAs in PEM as the text of a file. @throws MusterError `not_found` */
export function certificateText(ca: string): string {
  if (ca !== '')
    return ca
      .split('\n')
      .map(line => printable(line, 256))
      .join('\n');
  throw new MusterError('not_found', 'there is no CA to print', {
    hint: 'the broker uses no TLS, or has a certificate of a public CA, which the nodes know',
  });
}

const restart = 'Then restart the requester to use the next CA.';

const pinOf = ({ Authorities }: AuthoritiesView, use: string): string | undefined =>
  Authorities.find(({ Use }) => Use === use)?.Pin;

function nextSteps(view: AuthoritiesView): string[] {
  const { Ready, Missing, MissingNodes, ForcedBy } = view;
  const [next, former] = [pinOf(view, 'next'), pinOf(view, 'former')];
  if (next !== undefined) {
    const names = MissingNodes.slice(0, maxNamed).join(', ');
    const more = Missing > maxNamed ? ` and ${Missing - maxNamed} more` : '';
    const missing = `${Missing} approved ${Missing === 1 ? 'node does' : 'nodes do'} not trust the next CA yet: ${names}${more}`;
    const programs =
      'Give programs that listen, and operators elsewhere, what this prints: muster broker ca -o pem';
    if (ForcedBy !== undefined && Missing > 0) {
      const manual = `After that, run on each of these machines: muster agent trust ${next}`;
      return [
        `${missing}.`,
        `${printable(ForcedBy)} wants it to be used all the same.`,
        programs,
        restart,
        manual,
      ];
    }
    if (Ready) return ['Every approved node trusts the next CA.', programs, restart];
    const wait = 'A node that runs says that it does with its next report, within a minute by default.';
    return [`${missing}.`, wait, programs, 'To use it all the same: muster broker rotate-ca --force'];
  }
  if (former === undefined) return [];
  return [`When all nodes are back, let them forget the former CA: muster broker forget-ca ${former}`];
}

// No node has to be waited for, but the commands of operators on other machines trust the CA too.
function apiSteps(view: AuthoritiesView): string[] {
  const use = 'Only the HTTP API uses this CA: the nodes reach their broker without it.';
  const former = pinOf(view, 'former');
  const operators = 'Give operators elsewhere what this prints: muster broker ca -o pem';
  if (pinOf(view, 'next') !== undefined) return [use, operators, restart];
  if (former === undefined) return [use];
  return [
    use,
    `Operators on other machines need its pin. Then forget the former CA: muster broker forget-ca ${former}`,
  ];
}
