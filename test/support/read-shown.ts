// Reads a document that muster printed or served about itself as the program knows it: `BrokerURL` is `brokerUrl` there.

/** Returns the document in `text`. The keys of labels stay. */
export const readShown = <T>(text: string): T => withOwnNames(JSON.parse(text)) as T;

function withOwnNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withOwnNames);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      ownName(name),
      name === 'Labels' ? member : withOwnNames(member),
    ]),
  );
}

const ownName = (name: string): string =>
  (name.match(/[A-Z][a-z]+|[A-Z0-9]+s?(?![a-z])/g) ?? [name])
    .map((word, index) => (index === 0 ? word.toLowerCase() : `${word[0]}${word.slice(1).toLowerCase()}`))
    .join('');
