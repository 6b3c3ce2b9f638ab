// The ledger keeps in the requester's own folder what an older store does not know and must not undo: which nodes were
// deleted, which keys were banned or replaced, and which join codes and tokens are void.
import { isDeepStrictEqual } from 'node:util';
import { LineAppender, readLineFile, replaceLineFile } from '../../system/line-file.ts';
import type { Log } from '../../system/log.ts';
import {
  type LedgerEntry,
  type LedgerKind,
  type LedgerLine,
  ledgerKinds,
  readLedgerLine,
  writeLedgerLine,
} from './ledger-entries.ts';

export const ledgerFileName = 'ledger.jsonl';

/** Number of entries of each kind. The one that was added first is forgotten first. */
const maxEntries = 10_000;
/** Size of the largest file that is read, in bytes. A full ledger is smaller. */
const maxFileBytes = 128 * 1024 * 1024;
/** Number of outdated lines from which the file is written anew. */
const maxOutdatedLines = 1_000;

/** A part of the ledger that follows the records of one kind in the store. */
export interface LedgerMirror<T> {
  /** Keeps a record that the store has. */
  put(name: string, value: T): Promise<void>;
  /** Forgets a record before the store does, so that a crash in between never brings it back. */
  remove(name: string): Promise<void>;
}

export class Ledger {
  readonly #path: string;
  readonly #log: Log;
  readonly #entries = new Map(ledgerKinds.map(kind => [kind, new Map<string, LedgerEntry<LedgerKind>>()]));
  readonly #appender: LineAppender;
  readonly #max: number;
  /** Number of lines in the file. */
  #lines = 0;
  /** Whether the file lacks something, because a write failed. Then it is written anew as a whole. */
  #isBehind = false;
  /** Number of rewrites of the file that are under way or about to begin. A line that is added meanwhile would be lost. */
  #anew = 0;
  #writing: Promise<void> = Promise.resolve();
  /** The next time that the file is written anew, if it has not begun. */
  #nextAnew: Promise<void> | undefined;

  /** Reads the file at `path`. @throws MusterError `bad_state` when it cannot be read */
  static async open(path: string, log: Log, max = maxEntries): Promise<Ledger> {
    const ledger = new Ledger(path, log, max);
    await ledger.#read();
    return ledger;
  }

  private constructor(path: string, log: Log, max: number) {
    this.#path = path;
    this.#log = log;
    this.#max = max;
    this.#appender = new LineAppender(path);
  }

  get<Kind extends LedgerKind>(kind: Kind, name: string): LedgerEntry<Kind> | undefined {
    return this.#of(kind).get(name);
  }

  /** Returns the entries of a kind, the oldest first. */
  entries<Kind extends LedgerKind>(kind: Kind): [name: string, value: LedgerEntry<Kind>][] {
    return [...this.#of(kind)];
  }

  /**
   * Keeps an entry. Resolves when it is on the disk, or could not be written: then the log says so, and the next change
   * writes it too. Never rejects, because the store has the decision already.
   */
  async put<Kind extends LedgerKind>(kind: Kind, name: string, value: LedgerEntry<Kind>): Promise<void> {
    const entries = this.#of(kind);
    if (isDeepStrictEqual(entries.get(name), value)) return;
    entries.delete(name);
    entries.set(name, value);
    const [oldest] = entries.size > this.#max ? entries.keys() : [];
    if (oldest !== undefined) entries.delete(oldest);
    await Promise.all([
      this.#write({ kind, name, value }),
      oldest === undefined ? undefined : this.#write({ kind, name: oldest }),
    ]);
  }

  /** Forgets an entry. Resolves as `put`. */
  async remove(kind: LedgerKind, name: string): Promise<void> {
    if (this.#of(kind).delete(name)) await this.#write({ kind, name });
  }

  /** Returns the part that follows the records of one kind in the store. */
  mirror<Kind extends LedgerKind>(kind: Kind): LedgerMirror<LedgerEntry<Kind>> {
    return {
      put: (name, value) => this.put(kind, name, value),
      remove: name => this.remove(kind, name),
    };
  }

  async #read(): Promise<void> {
    const texts = await readLineFile(this.#path, maxFileBytes);
    this.#lines = texts.length;
    let unreadable = 0;
    for (const text of texts) {
      const line = readLedgerLine(text);
      if (!line) unreadable++;
      else if (line.value === undefined) this.#of(line.kind).delete(line.name);
      else this.#of(line.kind).set(line.name, line.value);
    }
    const text =
      'lines of the ledger cannot be read; they are left out, and stay in the file until it is written anew';
    if (unreadable > 0) this.#log.warn({ file: this.#path, lines: unreadable }, text);
  }

  async #write(line: LedgerLine): Promise<void> {
    const size = [...this.#entries.values()].reduce((sum, entries) => sum + entries.size, 0);
    try {
      if (this.#isBehind || this.#anew > 0 || this.#lines + 1 > 2 * size + maxOutdatedLines)
        await this.#writeAnew();
      else {
        this.#lines++;
        await this.#appender.add(writeLedgerLine(line));
      }
    } catch (err) {
      this.#isBehind = true;
      const text =
        'what was decided is not in the ledger yet: a backup of the store from before could undo it; it is tried again with the next decision';
      this.#log.warn({ file: this.#path, err }, text);
    }
  }

  // Of two rewrites at the same time, the one with the older state could end last. So one waits for the other, and all changes
  // that come before it begins share it.
  #writeAnew(): Promise<void> {
    this.#nextAnew ??= this.#writing.then(async () => {
      this.#nextAnew = undefined;
      const lines = this.#all();
      await replaceLineFile(this.#path, lines.map(writeLedgerLine));
      this.#lines = lines.length;
      this.#isBehind = false;
    });
    const write = this.#nextAnew;
    this.#anew++;
    this.#writing = write.catch(() => undefined);
    return write.finally(() => this.#anew--);
  }

  #all(): LedgerLine[] {
    return ledgerKinds.flatMap(kind =>
      [...this.#of(kind)].map(([name, value]): LedgerLine => ({ kind, name, value })),
    );
  }

  #of<Kind extends LedgerKind>(kind: Kind): Map<string, LedgerEntry<Kind>> {
    return this.#entries.get(kind) as Map<string, LedgerEntry<Kind>>;
  }
}
