// All decoders that are fuzzed.
import type { Decoder } from './decoder.ts';
import { messageDecoders } from './message-decoders.ts';
import { nameDecoders } from './name-decoders.ts';
import { storeDecoders } from './store-decoders.ts';

export const allDecoders: readonly Decoder[] = [...messageDecoders, ...nameDecoders, ...storeDecoders];
