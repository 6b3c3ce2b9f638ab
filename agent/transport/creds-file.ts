// Reads a file of credentials for a NATS with an operator, as `nsc` writes it: a user's token (JWT), and the seed of its key.
import { decodeSeed } from '../protocol/nkey.ts';
import { type KeyPair, keyPairOf } from './key-pair.ts';

export interface UserCreds {
  readonly jwt: string;
  readonly key: KeyPair;
}

/** Returns what is in the text of such a file. @throws ProtocolError `malformed` */
export function parseCreds(text: string): UserCreds {
  const [jwt = '', seed = ''] = blocksOf(text);
  return { jwt, key: keyPairOf(decodeSeed(seed, 'user'), 'user') };
}

const isMark = (line: string | undefined): boolean => /^---/.test(line ?? '') && /---$/.test(line ?? '');

/** Returns the lines that stand alone between two lines with dashes. */
function blocksOf(text: string): string[] {
  const lines = text.split('\n').flatMap(line => line.trim() || []);
  const blocks: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [begin, block, end] = lines.slice(at, at + 3);
    if (block === undefined || !isMark(begin) || isMark(block) || !isMark(end)) continue;
    blocks.push(block);
    at += 2;
  }
  return blocks;
}
