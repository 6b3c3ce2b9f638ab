// Reads the files of keys that encrypt. An agent has none, so it does not load what encrypts.
import { type CurveKey, curveKeyOf } from '../protocol/sealed-box.ts';
import { inspectSeed, type KeyFileTexts, loadSeed } from './key-pair.ts';

/** Reads the key in the file `path`, or makes one. @throws MusterError as `loadKeyPair` */
export async function loadCurveKey(path: string, texts: KeyFileTexts): Promise<CurveKey> {
  return curveKeyOf(await loadSeed(path, 'curve', texts));
}

/** Reads the key in the file `path`, and changes nothing; undefined when there is none. @throws MusterError `bad_state` */
export async function inspectCurveKey(path: string, texts: KeyFileTexts): Promise<CurveKey | undefined> {
  const seed = await inspectSeed(path, 'curve', texts);
  return seed && curveKeyOf(seed);
}
