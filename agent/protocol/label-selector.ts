// Reads label selectors as Kubernetes and Bacalhau write them: `env=prod,zone in (eu, us),!spot,cores>4`.
import { ProtocolError } from './error.ts';

export type Labels = Readonly<Record<string, string>>;
export type Selector = (labels: Labels) => boolean;

/**
 * Reads requirements that are joined by commas; a node must meet all of them: `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k
 * notin (a,b)`, `k`, `!k`, `k>1`, `k<1`. `!=` and `notin` also match a node that does not have the key. Empty text
 * matches every node. @throws ProtocolError, which says what was found and what was expected.
 */
export function parseSelector(text: string): Selector {
  const reader = new Reader(text);
  const requirements: Selector[] = [];
  while (!reader.done) {
    requirements.push(requirement(reader));
    if (!reader.done) reader.expect(',');
  }
  return labels => requirements.every(matches => matches(labels));
}

function requirement(reader: Reader): Selector {
  if (reader.accept('!')) {
    const key = reader.word('a label');
    return labels => !Object.hasOwn(labels, key);
  }
  const key = reader.word('a label');
  const operator = reader.operator();
  switch (operator) {
    case undefined:
      return labels => Object.hasOwn(labels, key);
    case '=':
    case '==':
      return among(key, new Set([reader.value()]));
    case '!=':
      return not(among(key, new Set([reader.value()])));
    case 'in':
      return among(key, reader.list());
    case 'notin':
      return not(among(key, reader.list()));
    default:
      return compared(key, operator, reader.integer());
  }
}

const among =
  (key: string, values: Set<string>): Selector =>
  labels =>
    Object.hasOwn(labels, key) && values.has(labels[key] ?? '');

const not =
  (selector: Selector): Selector =>
  labels =>
    !selector(labels);

function compared(key: string, operator: '<' | '>', limit: number): Selector {
  return labels => {
    const text = Object.hasOwn(labels, key) ? (labels[key] ?? '') : '';
    if (!integer.test(text)) return false;
    return operator === '<' ? Number(text) < limit : Number(text) > limit;
  };
}

const integer = /^[+-]?\d{1,18}$/;
const operators = ['=', '==', '!=', 'in', 'notin', '<', '>'] as const;
const token = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)/y;

class Reader {
  readonly #tokens: string[] = [];
  readonly #text: string;
  #next = 0;

  constructor(text: string) {
    this.#text = text.trim();
    token.lastIndex = 0;
    for (let match = token.exec(this.#text); match; match = token.exec(this.#text)) {
      this.#tokens.push(match[1] ?? '');
    }
  }

  get done(): boolean {
    return this.#next >= this.#tokens.length;
  }

  accept(wanted: string): boolean {
    if (this.#tokens[this.#next] !== wanted) return false;
    this.#next++;
    return true;
  }

  expect(wanted: string): void {
    if (!this.accept(wanted)) throw this.#fault(`"${wanted}"`);
  }

  word(what: string): string {
    if (!this.#atWord()) throw this.#fault(what);
    return this.#tokens[this.#next++] ?? '';
  }

  operator(): (typeof operators)[number] | undefined {
    if (this.done || this.#tokens[this.#next] === ',') return undefined;
    const found = operators.find(operator => operator === this.#tokens[this.#next]);
    if (!found) throw this.#fault(`one of ${operators.join(' ')}`);
    this.#next++;
    return found;
  }

  /** Reads a value, which may be empty as in `k=`. */
  value(): string {
    return this.#atWord() ? this.word('a value') : '';
  }

  list(): Set<string> {
    this.expect('(');
    const values = new Set([this.value()]);
    while (this.accept(',')) values.add(this.value());
    this.expect(')');
    return values;
  }

  integer(): number {
    const text = this.#tokens[this.#next] ?? '';
    if (!integer.test(text)) throw this.#fault('a whole number');
    this.#next++;
    return Number(text);
  }

  #atWord(): boolean {
    return /^[^=!(),<>]/.test(this.#tokens[this.#next] ?? '');
  }

  #fault(wanted: string): ProtocolError {
    const found = this.done ? 'its end' : `"${this.#tokens[this.#next]}"`;
    const shown = this.#text.length > 200 ? `${this.#text.slice(0, 200)}…` : this.#text;
    return new ProtocolError(
      'malformed',
      `cannot read the label selector "${shown}": found ${found}, expected ${wanted}`,
    );
  }
}
