// Says what protects the nodes on a NATS of one's own, and what nobody but its operator can see.
import type { Settings } from '../../config/settings.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { type Finding, ok, warning } from './check.ts';

const letItAsk = 'let the NATS ask the requester, by what this prints: muster broker config';

/** Returns the findings about a running requester that uses a NATS of one's own. */
export function trustFindings(
  { trust }: Pick<RequesterStatus, 'trust'>,
  { approved }: Pick<Settings['broker'], 'approved'>,
): Finding[] {
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
  const shared = warning(text, letItAsk);
  if (approved.publish.length + approved.subscribe.length === 0) return [shared];
  const nothing =
    'broker.approved opens nothing on this NATS, which alone says which subjects a node may use';
  return [
    shared,
    warning(
      nothing,
      `${letItAsk}; or remove broker.approved, and have the operator of the NATS permit the subjects`,
    ),
  ];
}
