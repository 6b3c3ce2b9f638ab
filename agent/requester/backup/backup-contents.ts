// Names what a backup contains: the files in the folders of a requester and its broker, and the streams in the broker's store.
import { storedStreams } from '../stored-streams.ts';

/**
 * The streams, in the order in which they are copied. Durables come with their stream. What the watch over the broker writes
 * is left out: it is no data.
 */
export const backedUpStreams = storedStreams;

/** The file in the broker's folder that is kept too: the port that it has chosen, where the nodes find it. */
export const brokerPortFile = 'broker/port';

/** The files in the requester's folder, and `brokerPortFile`. A file that a requester does not have is left out. */
export const backedUpFiles = [
  'node.yaml',
  'requester.nk',
  'issuer.nk',
  'callout.xk',
  'bacalhau.token',
  'broker-ca.pem',
  'ca.key',
  'ca.pem',
  'next-ca.key',
  'next-ca.pem',
  'ca-rotation.json',
  'former-ca.pem',
  'server.key',
  'server.pem',
  'own-chain.pem',
  'operator.token',
  'store-mark.json',
  'ledger.jsonl',
  brokerPortFile,
] as const;
export type BackedUpFile = (typeof backedUpFiles)[number];
