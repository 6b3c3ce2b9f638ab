// Makes characters harmless that change the direction of a text: in the name of a node, they would turn around what stands beside
// it, such as the key that an operator compares.

const mark = '\ufffd';

/** Returns the text with a mark in place of each such character. JSON keeps its form. */
export const plainDirection = (text: string): string => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, mark);

/** Whether a text that `plainDirection` has returned is surely as it was, so that it can be sent back. */
export const isAsItWas = (text: string): boolean => !text.includes(mark);
