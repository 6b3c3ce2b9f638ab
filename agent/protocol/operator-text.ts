// Names operators in texts for people.

/** Returns an operator for people. What the caller said of itself, which nothing proves, is in brackets. */
export const operatorText = (name: string, claimed: string | undefined): string =>
  claimed ? `${name} (${claimed})` : name;
