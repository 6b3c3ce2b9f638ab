// Says which requesters keep the roll, and which of them watches.
import { clockDifferenceText } from '../../output/clock-difference.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { type Finding, ok, warning } from './check.ts';

/** Returns the findings about the other requesters of a roll; none for a requester that is the only one. */
export function peerFindings({
  node,
  watcher,
  peers = [],
}: Pick<RequesterStatus, 'node' | 'watcher' | 'peers'>): Finding[] {
  const isAlone = peers.length === 0 && (watcher === undefined || watcher === node);
  if (isAlone) return [];
  const others = peers.map(({ requester, host }) => `${requester} on ${host}`).join(', ');
  if (watcher === undefined || (watcher !== node && !peers.some(({ requester }) => requester === watcher)))
    return [
      warning(
        `nobody is heard who watches over the roll${watcher ? `: ${watcher} did, and is silent` : ''}`,
        'wait 10 s and check again: another requester takes over; then see the log of the requesters',
      ),
    ];
  const who = watcher === node ? 'this one watches over the roll' : `${watcher} watches over the roll`;
  const differing = peers.flatMap(({ requester, differs = [] }) =>
    differs.length > 0 ? [`${requester} has another ${differs.join(', ')}`] : [],
  );
  const clocks = peers.flatMap(({ clockAheadMs, ...peer }) =>
    clockAheadMs === undefined ? [] : [clockDifferenceText({ ...peer, clockAheadMs })],
  );
  const clockHint =
    'one of the two is wrong: let a time service set the clocks of both machines, such as systemd-timesyncd or chrony';
  const hint =
    'give all requesters the same settings: each lets nodes in, and judges whether they are silent, by its own';
  return [
    ok(`it keeps the roll together with ${others}; ${who}`),
    ...differing.map(text => warning(text, hint)),
    ...clocks.map(text => warning(text, clockHint)),
  ];
}
