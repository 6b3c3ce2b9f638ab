// Whether the agents that are measured have the native probe, which alone asks NVIDIA's library.
import { loadProbe } from '../../agent/host/native/native-probe.ts';

const native = loadProbe();

/** Why there is none, a sentence's end; undefined when there is one. */
export const probeMissing = native.probe ? undefined : native.reason;
