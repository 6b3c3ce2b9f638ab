// All decoders that are fuzzed.
import { apiDecoders } from './api-decoders.ts';
import type { Decoder } from './decoder.ts';
import { fileDecoders } from './file-decoders.ts';
import { freezeDecoders } from './freeze-decoders.ts';
import { liveDecoders } from './live-decoders.ts';
import { machineDecoders } from './machine-decoders.ts';
import { messageDecoders } from './message-decoders.ts';
import { nameDecoders } from './name-decoders.ts';
import { storeDecoders } from './store-decoders.ts';
import { webDecoders } from './web-decoders.ts';

export const allDecoders: readonly Decoder[] = [
  ...messageDecoders,
  ...nameDecoders,
  ...freezeDecoders,
  ...storeDecoders,
  ...apiDecoders,
  ...fileDecoders,
  ...machineDecoders,
  ...liveDecoders,
  ...webDecoders,
];
