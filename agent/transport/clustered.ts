// Tells a server that belongs to a cluster from one that stands alone.
import type { NatsConnection as Link } from 'nats';

/** Returns whether the server of this link belongs to a cluster of several. */
export const isClustered = ({ link }: { readonly link: Link | undefined }): boolean =>
  (link?.info as { cluster?: string } | undefined)?.cluster !== undefined;
