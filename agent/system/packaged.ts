// The packaged file: what it carries besides the program. Run from source, there is nothing of it.
import { getRawAsset, isSea } from 'node:sea';

/** Is this the packaged file, and not the program run from source? */
export const isPackaged = isSea;

/** What a packaged file says of itself. `scripts/packaging` writes it. */
export interface PackagedContents {
  /** The kind of machine that it was made for, such as `linux-x64`. */
  readonly target: string;
  /** Version of the Node inside. */
  readonly node: string;
  readonly probe: Carried | Missing;
  readonly broker: CarriedBroker | Missing;
  /** Why it was never started before it was handed out; absent for a file that could be. */
  readonly untried?: string;
}

/** A part that is inside. */
export interface Carried {
  /** SHA-256 of the part as it is used, in hexadecimal. */
  readonly sha256: string;
}

export interface CarriedBroker extends Carried {
  /** Of the nats-server. */
  readonly version: string;
  /** Size in bytes once unpacked. */
  readonly size: number;
}

/** A part that is not inside, and why: the end of a sentence that begins with the part's name. */
export interface Missing {
  readonly missing: string;
}

/** Names of the assets. */
export const assetNames = {
  contents: 'contents.json',
  notices: 'THIRD-PARTY-NOTICES',
  probe: 'probe.node',
  broker: 'nats-server.zst',
} as const;

/** What this file carries; undefined when the program runs from source. */
export function packagedContents(): PackagedContents | undefined {
  if (!isSea()) return undefined;
  return JSON.parse(Buffer.from(readAsset('contents')).toString('utf8')) as PackagedContents;
}

/** The bytes of an asset, where they lie in the file: not to be written to. Throws when this file does not carry it. */
export function readAsset(name: keyof typeof assetNames): Uint8Array {
  return new Uint8Array(getRawAsset(assetNames[name]));
}
