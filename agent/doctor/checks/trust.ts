// Says what protects the nodes on a NATS of one's own, and what nobody but its operator can see.
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { type Finding, ok, warning } from './check.ts';

/** Returns the findings about a running requester that uses a NATS of one's own. */
export function trustFindings({ trust }: Pick<RequesterStatus, 'trust'>): Finding[] {
  if (trust === 'keys')
    return [
      ok(
        'the NATS asks it whom to let in. Nobody sees the routes between the servers of a cluster: check that each needs a password and TLS',
      ),
    ];
  // While the requester connects, it does not know.
  if (trust !== 'shared') return [];
  const text =
    'on this NATS nobody checks which node speaks: approval is bookkeeping there, and protects nothing';
  return [warning(text, 'let the NATS ask the requester, by what this prints: muster broker config')];
}
