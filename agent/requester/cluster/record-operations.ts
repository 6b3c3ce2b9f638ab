// The operations that a record of the cluster remembers, so that an operator can ask later what became of one, and none is
// carried out twice. The marker of a removed record has them in a header.
import type { RequesterEventKind } from '../../protocol/events.ts';
import { rememberedOperations, rememberOperation } from '../../protocol/operation.ts';
import type { Bucket, BucketEntry } from '../../transport/port.ts';

/** The header of a marker with the operations of the record that was removed, with commas between them. */
const operationsHeader = 'Muster-Operations';
/** The header of a marker with the operator who removed the record. */
const actorHeader = 'Muster-Actor';

/** What operators do to the records of the cluster. No event tells of the last kind; no record names the kinds left out. */
export type ChangeKind =
  | Exclude<RequesterEventKind, 'degraded' | 'recovered' | 'certificate_renewed'>
  | 'store_confirmed';

/** Returns the member of a record for an operation that comes after those of `texts`. */
export function withOperation(
  texts: readonly string[] | undefined,
  kind: ChangeKind,
  operation: string | undefined,
): { operations?: string[] } {
  const all = operation ? rememberOperation(texts ?? [], { kind, operation, isBan: false }) : (texts ?? []);
  return all.length > 0 ? { operations: [...all] } : {};
}

/** Returns the headers of the marker of a record with `texts` that an operator removes. */
export function removalHeaders(
  texts: readonly string[] | undefined,
  kind: ChangeKind,
  { actor, operation }: { actor: string; operation?: string },
): Record<string, string> {
  const { operations = [] } = withOperation(texts, kind, operation);
  return {
    ...(operations.length > 0 ? { [operationsHeader]: operations.join(', ') } : {}),
    ...(/^[\x21-\x7e]{1,256}$/.test(actor) ? { [actorHeader]: actor } : {}),
  };
}

/** Returns whether `operation` is among `texts` with this kind. */
export const hasDone = (
  texts: readonly string[] | undefined,
  kind: ChangeKind,
  operation: string | undefined,
): boolean =>
  rememberedOperations(texts ?? []).some(each => each.kind === kind && each.operation === operation);

/** Returns the operations in the headers of a marker. Another program may have written anything there. */
export function markerOperations({ headers }: BucketEntry): string[] {
  const texts = (headers[operationsHeader] ?? '').slice(0, 1024).split(', ');
  return texts.filter(text => rememberedOperations([text]).length > 0);
}

/** Returns the operator who removed the record of a marker; empty when it does not say. */
export const markerActor = ({ headers }: BucketEntry): string => (headers[actorHeader] ?? '').slice(0, 256);

/** Returns the operations of a record that was removed, as the store has them. @throws BrokerError */
export async function removedOperations(bucket: Pick<Bucket, 'get'>, key: string): Promise<string[]> {
  const entry = await bucket.get(key);
  return entry?.marker ? markerOperations(entry) : [];
}
