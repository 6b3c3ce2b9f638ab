// Says whether the measured agents have the native probe. Only the probe can ask NVIDIA's library.
import { loadProbe } from '../../agent/host/native/native-probe.ts';

const native = loadProbe();

/**
 * The reason why there is no native probe, as the end of a sentence that begins with "the native probe"; undefined when
 * there is one.
 */
export const probeMissing = native.probe ? undefined : native.reason;
