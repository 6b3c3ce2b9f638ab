// Holds why the last sign-in failed.
import { signal } from '@preact/signals';

/** A sentence without a full stop; empty when nothing failed. */
export const signInFault = signal('');
