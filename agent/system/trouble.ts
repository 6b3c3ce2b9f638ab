// Defines a trouble: what keeps a role from doing its work. The status of a role shows its troubles first.

/** The codes of the troubles. Scripts may rely on them. */
export const troubleCodes = [
  'no_answer',
  'broker_away',
  'broker_refuses',
  'broker_failing',
  'requester_silent',
  'rejected',
  'deleted',
  'refused',
  'key_refused',
  'not_kept',
  'folder_not_writable',
  'busy_unknown',
  'no_metrics',
  'store_full',
  'store_failing',
  'no_quorum',
  'store_missing',
  'move_interrupted',
  'replica_behind',
  'single_replica',
  'raised_in_place',
  'records_lost',
  'store_older',
  'degraded',
  'verdicts_wait',
  'stalled',
] as const;
export type TroubleCode = (typeof troubleCodes)[number];

export interface Trouble {
  readonly code: TroubleCode;
  /** What is wrong, in one sentence without a full stop. */
  readonly text: string;
  /** What an operator can do about it. */
  readonly hint: string;
}
