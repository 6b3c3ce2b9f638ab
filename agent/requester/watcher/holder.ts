// The holder of the lease is the requester that watches, as the lease in the store names it.
import * as v from 'valibot';
import { MusterError } from '../../system/errors.ts';

const short = v.pipe(v.string(), v.maxLength(256));
/** A process that is a requester of the roll. */
export const holderSchema = v.object({
  requester: short,
  instance: short,
  host: short,
  pid: v.number(),
  since: short,
  /** The version of muster; absent in versions in which a roll has a single requester. */
  version: v.optional(short),
});
export type Holder = v.InferOutput<typeof holderSchema>;

/** Stands for the holder of a lease that cannot be read. */
export const unknownHolder: Holder = { requester: '', instance: '', host: '', pid: 0, since: '' };

/** The refusal of what only the watcher does. */
export const notWatching = (holder: Holder | undefined): MusterError =>
  new MusterError(
    'in_use',
    holder
      ? `requester ${holder.requester} (process ${holder.pid} on ${holder.host}) watches over this roll`
      : 'another requester watches over this roll',
  );
