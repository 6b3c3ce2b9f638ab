// Gives the members of a document the names that all JSON of muster has. They are as those of Bacalhau's API, such as `NodeID`.

/** Abbreviations, which are written in capitals. */
const abbreviations = /^(ca|cpu|cuda|ecc|gpu|id|ip|mig|os|pid|sha256|url|uuid)(s?)$/i;

/** Members with names that are data, and not ours. */
const isMap = (name: string): boolean => /^labels$/i.test(name);

/** Returns a copy of `value` in which every member has its shown name. The keys in labels stay. */
export function withShownNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withShownNames);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      shownName(name),
      isMap(name) ? member : withShownNames(member),
    ]),
  );
}

/** Returns the name that a member of the program has in a document: `brokerUrl` is `BrokerURL`. */
const shownName = (name: string): string =>
  /^[a-z][A-Za-z0-9]*$/.test(name) ? name.replace(/^[a-z0-9]+|[A-Z][a-z0-9]*/g, shownWord) : name;

function shownWord(word: string): string {
  const [, short, plural] = abbreviations.exec(word) ?? [];
  return short ? `${short.toUpperCase()}${plural}` : `${word[0]?.toUpperCase()}${word.slice(1)}`;
}
