// Names a stream of the store for people.

/** Returns the name of its bucket, or of the event stream. */
export const streamText = (stream: string): string => stream.replace(/^KV_/, '');
