// The server lookout notices when a server of the NATS vanishes, as its clients have to go elsewhere then.

/** What is known of the servers of a NATS cluster; all are empty on a single server. */
export interface ServerSources {
  /** Returns the addresses that the present broker names to its clients. */
  named(): readonly string[];
  /** Returns the names of the servers that the others do not hear. */
  unheard(): readonly string[];
}

export class ServerLookout {
  readonly #sources: ServerSources;
  #named: readonly string[] = [];
  #unheard: readonly string[] = [];

  constructor(sources: ServerSources) {
    this.#sources = sources;
  }

  /** Returns a sentence about the servers that vanished since the last look; undefined when none did. */
  look(): string | undefined {
    const [named, unheard] = [this.#sources.named(), this.#sources.unheard()];
    const silent = unheard.filter(name => !this.#unheard.includes(name));
    // A broker that names nobody has not said that all are gone.
    const gone = named.length === 0 ? [] : this.#named.filter(address => !named.includes(address));
    this.#named = named;
    this.#unheard = unheard;
    if (silent.length > 0) return `the other NATS servers do not hear ${textOf(silent)}`;
    if (gone.length > 0) return `the NATS cluster does not name ${textOf(gone)} any more`;
    return undefined;
  }
}

/** Number of servers that a sentence names. */
const most = 3;

const textOf = (names: readonly string[]): string => names.slice(0, most).join(', ');
