// Tells a server that belongs to a cluster from one that stands alone.
import type { NatsConnection as Link } from 'nats';

/** Returns whether the server of this link belongs to a cluster of several. */
export const isClustered = ({ link }: { readonly link: Link | undefined }): boolean =>
  (link?.info as { cluster?: string } | undefined)?.cluster !== undefined;

/**
 * Returns the time of creation that tells a stream from a later one of its name; empty in a cluster. There the servers of a
 * stream that was restored say different times: the one that got the copy says the old one, and the others when they got it.
 */
export const creationOf = (connection: { readonly link: Link | undefined }, created: string): string =>
  isClustered(connection) ? '' : created;
