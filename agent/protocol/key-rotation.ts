// The request by which a node exchanges its key: it comes over the connection of the old key, and the new key signs it.
import * as v from 'valibot';
import { ProtocolError } from './error.ts';
import { senderSchema } from './messages.ts';
import { decodePublicKey } from './nkey.ts';
import { nodeId, struct } from './schema.ts';
import { isSignedBy } from './signed-token.ts';

export const rotateKeyRequestSchema = struct({
  NodeID: nodeId(),
  /** The new public key, `N…`. */
  Key: v.pipe(v.string(), v.maxLength(128)),
  /** The signature of the new key over `rotationText`, in base64url. */
  Signature: v.pipe(v.string(), v.maxLength(128)),
  Muster: v.optional(senderSchema),
});
export type RotateKeyRequest = v.InferOutput<typeof rotateKeyRequestSchema>;

/**
 * Returns what the new key signs. It names the present key too, so that the request is of use only as long as this key is
 * the node's.
 */
export const rotationText = (node: string, present: string, next: string): Buffer =>
  Buffer.from(`muster.rotate-key ${node} ${present} ${next}`);

/** Returns whether the owner of the new key made the request. `present` is the key that the node has now. */
export function isSignedByNext({ NodeID, Key, Signature }: RotateKeyRequest, present: string): boolean {
  try {
    const signature = Buffer.from(Signature, 'base64url');
    return isSignedBy(decodePublicKey(Key), rotationText(NodeID, present, Key), signature);
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
