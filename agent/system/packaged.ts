// Reads the parts of the packaged file other than the program. A program that runs from source has no such parts.
import { getAssetKeys, getRawAsset, isSea } from 'node:sea';

/** Returns whether the program runs from the packaged file. It returns false when the program runs from source. */
export const isPackaged = isSea;

/** A description of a packaged file. `scripts/packaging` writes it. */
export interface PackagedContents {
  /** The platform for which it was built, such as `linux-x64`. */
  readonly target: string;
  /** Version of the Node.js in it. */
  readonly node: string;
  /** The native probe. */
  readonly probe: Carried | Missing;
  readonly broker: CarriedBroker | Missing;
  /** The reason why the file was not tried when it was built; absent for a file that was tried. */
  readonly untried?: string;
}

/** A part that the file contains. */
export interface Carried {
  /** SHA-256 of the unpacked part, in hexadecimal. */
  readonly sha256: string;
}

export interface CarriedBroker extends Carried {
  /** Version of the nats-server. */
  readonly version: string;
  /** Unpacked size in bytes. */
  readonly size: number;
}

/** A part that the file does not contain. */
export interface Missing {
  /** The reason: the end of a sentence that begins with the name of the part. */
  readonly missing: string;
}

/** The names under which the parts are stored in the packaged file. */
export const assetNames = {
  contents: 'contents.json',
  notices: 'THIRD-PARTY-NOTICES',
  probe: 'probe.node',
  broker: 'nats-server.zst',
  bash: 'muster.bash',
  zsh: 'muster.zsh',
  fish: 'muster.fish',
} as const;

/** The beginning of the names under which the files of the web page are stored. */
export const webAssetPrefix = 'web/';

/** Returns the description of this file; undefined when the program runs from source. */
export function packagedContents(): PackagedContents | undefined {
  if (!isSea()) return undefined;
  return JSON.parse(Buffer.from(readAsset('contents')).toString('utf8')) as PackagedContents;
}

/**
 * Returns the bytes of an asset. They are the file's own memory, so nobody may change them. Throws when there is no such
 * asset.
 */
export function readAsset(name: keyof typeof assetNames): Uint8Array {
  return new Uint8Array(getRawAsset(assetNames[name]));
}

/**
 * Returns the bytes of a file of the web page, as `readAsset` does; undefined when there is no such file, and `from source` when
 * the program runs from source.
 */
export function readWebAsset(name: string): Uint8Array | undefined | 'from source' {
  if (!isSea()) return 'from source';
  const key = webAssetPrefix + name;
  return getAssetKeys().includes(key) ? new Uint8Array(getRawAsset(key)) : undefined;
}
