// Defines the names that belong to one listener: its token, its durable in the event stream, and its inbox.

/** The name of a listener. It is a part of its token, of its durable and of a key in the store. */
export const listenerNamePattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Largest number of listeners, each of which costs the broker work for every event, and of the connections of one of them. */
export const maxListeners = 100;
export const maxListenerConnections = 16;

/** Number of random bytes in a token, and in the name of a durable. */
export const listenerSecretBytes = 32;
export const durableRandomBytes = 12;

// The secret has a fixed length, so a name may have an underscore too.
const tokenPattern = /^mls_([A-Za-z0-9_-]{1,64})_[A-Za-z0-9_-]{43}$/;

/** The form of the name of a durable. */
export const durablePattern = /^listener-[A-Za-z0-9_-]{1,64}-[a-f0-9]{24}$/;
/** The beginning of the names of all durables that belong to listeners. */
export const durablePrefix = 'listener-';

/** Returns the token of the listener `name`. `secret` is 32 random bytes. */
export const listenerToken = (name: string, secret: Uint8Array): string =>
  `mls_${name}_${Buffer.from(secret).toString('base64url')}`;

/** Returns the name of the listener in a token; undefined for a text that is no token of a listener. */
export const listenerOf = (token: string): string | undefined => tokenPattern.exec(token)?.[1];

/**
 * Returns the name of the durable of the listener `name`. `random` is 12 random bytes: nobody can guess the durable of
 * another listener, nor its inbox, so nobody can have the broker send something there.
 */
export const durableName = (name: string, random: Uint8Array): string =>
  `${durablePrefix}${name}-${Buffer.from(random).toString('hex')}`;

/** Returns the beginning of the subjects on which the broker answers the owner of a durable. */
export const durableInbox = (durable: string): string => `_INBOX.${durable}`;

/** The user name by which a listener asks for events as they are sent, instead of those of its durable. */
export const liveUser = 'live';
/** The user name by which a listener that may do so gives work to approved nodes, and gets their results. */
export const workUser = 'work';
