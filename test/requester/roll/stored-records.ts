// Lists what the store may hold under the id of one node, by the name of the case.
import type { Membership } from '../../../agent/protocol/node-state.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { record, requesterNode } from '../samples.ts';

const stands = (membership: Membership | ''): StoredRecord => ({
  kind: 'record',
  revision: 7,
  state: record('node-1', membership, {
    Muster: { Session: 's-old', RegisteredAt: '2025-12-31T00:00:00Z', Operation: 'o-1' },
  }),
});
export const storedRecords = {
  absent: { kind: 'absent', revision: 0 },
  deleted: { kind: 'deleted', revision: 9 },
  PENDING: stands('PENDING'),
  APPROVED: stands('APPROVED'),
  REJECTED: stands('REJECTED'),
  /** Bacalhau writes a membership that it does not know as an empty text. */
  none: stands(''),
  requester: {
    kind: 'record',
    revision: 3,
    state: record('node-1', 'APPROVED', { Info: requesterNode('node-1') }),
  },
  unreadable: { kind: 'unreadable', revision: 5 },
} satisfies Record<string, StoredRecord>;
export type From = keyof typeof storedRecords;
