// Reads and writes the place in the page that an address names: after `#`, a view and what it shows. So a place can be kept as a
// bookmark, sent to others, and left by the browser's way back.

/** A place in the page, such as `/nodes?filter-approval=PENDING` or `/node/n-7`. */
export interface Place {
  /** The first word of the path, which names the view. */
  readonly view: string;
  /** The rest of the path, such as the id of a node; empty when there is none. */
  readonly name: string;
  readonly query: URLSearchParams;
}

/** The view that is shown when an address names none. */
export const firstView = 'nodes';

/** Reads the fragment of an address, with or without `#`. Whatever it contains names some place. */
export function readPlace(fragment: string): Place {
  const [path = '', ...rest] = fragment.replace(/^#?\/?/, '').split('?');
  const [view = '', ...names] = path.split('/');
  return {
    view: view || firstView,
    name: decoded(names.join('/')),
    query: new URLSearchParams(rest.join('?')),
  };
}

/** Returns the fragment of the address of a place, with `#`. Members of the query that are empty are left out. */
export function fragmentOf(view: string, name = '', query: Readonly<Record<string, string>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const text = new URLSearchParams(given).toString();
  return `#/${view}${name && `/${encodeURIComponent(name)}`}${text && `?${text}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
